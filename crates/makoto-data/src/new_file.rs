//! A file that gets its name only when it is whole.

use std::ffi::OsStr;
use std::fs::{File, Permissions};
use std::io;
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use rustix::fs::{AtFlags, CWD, Mode, OFlags};
use tempfile::NamedTempFile;

/// A file that is being written beside its future name. Until [`NewFile::keep`], and when the
/// program is killed, nothing of that name is there or changed.
///
/// Where the file system can, the file has no name at all, so that nothing is left of it.
#[derive(Debug)]
pub struct NewFile {
    target: PathBuf,
    content: Content,
}

#[derive(Debug)]
enum Content {
    Nameless(File),
    Named(NamedTempFile),
}

impl NewFile {
    /// Starts a file that will be at `target`.
    ///
    /// # Errors
    /// When its folder cannot be written.
    pub fn at(target: &Path) -> io::Result<Self> {
        let folder = folder_of(target);
        let flags = OFlags::TMPFILE | OFlags::RDWR | OFlags::CLOEXEC;
        let content = match rustix::fs::open(folder, flags, Mode::RUSR | Mode::WUSR) {
            Ok(file) => Content::Nameless(file.into()),
            // Not every file system has nameless files.
            Err(_) => Content::Named(temporary(folder)?),
        };
        Ok(Self {
            target: target.to_owned(),
            content,
        })
    }

    /// The file, to be written.
    pub fn file(&mut self) -> &mut File {
        match &mut self.content {
            Content::Nameless(file) => file,
            Content::Named(file) => file.as_file_mut(),
        }
    }

    /// Gives the file its name, in place of what has it, and makes that last. Who may read the
    /// file at `like` may read this one, and only they; when nothing is there, who may read any
    /// file that this program makes.
    ///
    /// # Errors
    /// When it cannot be written; what had the name still has it.
    pub fn keep(self, like: &Path) -> io::Result<()> {
        let readers = readers_of(like);
        self.keep_with(readers | 0o600)
    }

    /// As [`NewFile::keep`], for a file that holds something of each of `like`: only who may read
    /// all of them may read it.
    ///
    /// # Errors
    /// As [`NewFile::keep`].
    pub fn keep_for_readers_of(self, like: &[&Path]) -> io::Result<()> {
        let mode =
            |like: &&Path| std::fs::metadata(like).map_or(0, |data| data.permissions().mode());
        let readers = like.iter().map(mode).fold(0o444, |all, mode| all & mode);
        self.keep_with(readers | 0o600)
    }

    /// As [`NewFile::keep`], for a file that goes with no other: those may use it whom this
    /// process lets use its new files.
    ///
    /// # Errors
    /// As [`NewFile::keep`].
    pub fn keep_by_umask(self) -> io::Result<()> {
        self.keep_with(usual_mode())
    }

    /// Gives the file its name, which nothing has yet, and makes that last. Only its owner may
    /// read it.
    ///
    /// # Errors
    /// When it cannot be written, and when something has the name.
    pub fn keep_new_for_owner(self) -> io::Result<()> {
        self.keep_new_with(0o600)
    }

    /// As [`NewFile::keep_new_for_owner`], with the readers of [`NewFile::keep_by_umask`].
    ///
    /// # Errors
    /// As [`NewFile::keep_new_for_owner`].
    pub fn keep_new_by_umask(self) -> io::Result<()> {
        self.keep_new_with(usual_mode())
    }

    fn keep_new_with(mut self, mode: u32) -> io::Result<()> {
        self.settle(mode)?;
        let folder = folder_of(&self.target).to_owned();
        self.take_name(Over::Nothing)?;
        File::open(folder)?.sync_all()
    }

    fn keep_with(mut self, mode: u32) -> io::Result<()> {
        self.settle(mode)?;
        let folder = folder_of(&self.target).to_owned();
        self.take_name(Over::Anything)?;
        // The name lasts only once the folder is on disk.
        File::open(folder)?.sync_all()
    }

    /// Makes the bytes last, with the readers of the file at `like`.
    pub(crate) fn settle_like(&mut self, like: &Path) -> io::Result<()> {
        self.settle(readers_of(like) | 0o600)
    }

    fn settle(&mut self, mode: u32) -> io::Result<()> {
        let file = self.file();
        file.set_permissions(Permissions::from_mode(mode))?;
        file.sync_all()
    }

    /// Gives a settled file its name. That lasts once the folder is on disk.
    pub(crate) fn take_name(self, over: Over) -> io::Result<()> {
        let folder = folder_of(&self.target);
        match (self.content, over) {
            (Content::Named(file), Over::Anything) => {
                file.persist(&self.target).map_err(|error| error.error)?;
            }
            (Content::Named(file), Over::Nothing) => {
                file.persist_noclobber(&self.target)
                    .map_err(|error| error.error)?;
            }
            (Content::Nameless(file), Over::Nothing) => link(&file, &self.target)?,
            (Content::Nameless(file), Over::Anything) => {
                // A name can be given, but not taken over, so it goes by way of another one.
                let named = builder().make_in(folder, |name| link(&file, name))?;
                named
                    .into_temp_path()
                    .persist(&self.target)
                    .map_err(|error| error.error)?;
            }
        }
        Ok(())
    }
}

/// What has the name that a new file takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Over {
    /// Nothing; if something has, that is an error.
    Nothing,
    /// Whatever it is, it gives way.
    Anything,
}

fn link(file: &File, name: &Path) -> io::Result<()> {
    let own = format!("/proc/self/fd/{}", file.as_raw_fd());
    rustix::fs::linkat(CWD, &own, CWD, name, AtFlags::SYMLINK_FOLLOW).map_err(io::Error::from)
}

/// Who may read a file that is made for the readers of the one at `like`.
fn readers_of(like: &Path) -> u32 {
    let mode = std::fs::metadata(like).map(|like| like.permissions().mode());
    mode.unwrap_or_else(|_| usual_mode()) & 0o444
}

/// The mode that this process gives new files.
fn usual_mode() -> u32 {
    // It can only be asked for by setting it. A file that somebody makes meanwhile is private.
    static MODE: OnceLock<u32> = OnceLock::new();
    *MODE.get_or_init(|| {
        let mask = rustix::process::umask(Mode::RWXG | Mode::RWXO);
        rustix::process::umask(mask);
        0o666 & !mask.bits()
    })
}

const PREFIX: &str = ".makoto-";
const SUFFIX: &str = ".tmp";

fn builder() -> tempfile::Builder<'static, 'static> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(PREFIX).suffix(SUFFIX);
    builder
}

/// Whether this is the name of a file that is being written, or was when its writer was killed.
pub(crate) fn is_temporary(name: &OsStr) -> bool {
    let name = name.to_string_lossy();
    name.starts_with(PREFIX) && name.ends_with(SUFFIX)
}

fn temporary(folder: &Path) -> io::Result<NamedTempFile> {
    builder().tempfile_in(folder)
}

/// The folder that holds `path`.
pub(crate) fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    }
}
