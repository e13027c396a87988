//! The code that a command line executes, as far as it lies in files.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use makoto::digest::Digest;
use makoto::json::Json;
use makoto_data::{Fingerprint, digest_file, fingerprint};

use crate::draft::Draft;
use crate::failure::Failure;
use crate::screen::Plain;

/// What is known of the code behind a command line.
#[derive(Debug)]
pub(crate) struct Code {
    /// The script, when an interpreter runs one; else the program.
    main: Option<CodeFile>,
    /// The interpreter of the script.
    interpreter: Option<CodeFile>,
    /// Whether the code stands in the command line (`sh -c`).
    inline: bool,
}

#[derive(Debug)]
struct CodeFile {
    path: PathBuf,
    digest: Digest,
    fingerprint: Fingerprint,
}

impl CodeFile {
    fn read(path: &Path) -> Result<Self, Failure> {
        let digest = digest_file(path, None, &|_| {}, None)?;
        Ok(Self {
            path: path.to_owned(),
            digest: digest.sha256,
            fingerprint: digest.fingerprint,
        })
    }

    fn to_json(&self) -> Json {
        let digest = [("sha256", self.digest.to_string().into())];
        let uri = self.path.to_string_lossy().into_owned();
        [("uri", uri.into()), ("digest", digest.into())].into()
    }
}

impl Code {
    /// Finds and hashes the code of `command`. Files among `data` are inputs and outputs, not
    /// scripts.
    pub(crate) fn of(command: &[String], data: &[PathBuf]) -> Result<Self, Failure> {
        let mut code = Self {
            main: None,
            interpreter: None,
            inline: false,
        };
        let Some(program) = find_program(&command[0]) else {
            return Err(
                Failure::usage(format!("there is no command {:?}", command[0]))
                    .hint("check the spelling, or give the path of the program"),
            );
        };
        // By name first: an interpreter may itself be a script that starts the real one.
        if !is_interpreter(&program) {
            code.main = Some(CodeFile::read(&program)?);
            if let Some(interpreter) = shebang(&program) {
                code.interpreter = Some(CodeFile::read(&interpreter)?);
            }
            return Ok(code);
        }
        code.interpreter = Some(CodeFile::read(&program)?);
        for argument in &command[1..] {
            if is_inline_option(argument) {
                code.inline = true;
                return Ok(code);
            }
            let path = Path::new(argument);
            let is_data = data.iter().any(|data| data == path);
            if !argument.starts_with('-') && !is_data && path.is_file() {
                code.main = Some(CodeFile::read(path)?);
                return Ok(code);
            }
        }
        Ok(code)
    }

    /// In a few words, what of the code was hashed.
    pub(crate) fn scope(&self) -> &'static str {
        match (self.inline, &self.main, &self.interpreter) {
            (true, _, _) => "command text only",
            (false, Some(_), Some(_)) => "script and interpreter hashed",
            (false, Some(_), None) => "program hashed",
            (false, None, _) => "interpreter hashed, its input was not seen",
        }
    }

    /// Writes what is known into a statement.
    pub(crate) fn fill(&self, draft: &mut Draft) {
        draft.set(
            "transform.codeRef",
            self.main.as_ref().map(CodeFile::to_json),
        );
        draft.set(
            "transform.interpreter",
            self.interpreter.as_ref().map(CodeFile::to_json),
        );
        draft.set("transform.codeScope", Some(self.scope()));
    }

    /// Refuses when a file of the code moved since it was hashed.
    pub(crate) fn refuse_changed(&self) -> Result<(), Failure> {
        for file in [&self.main, &self.interpreter].into_iter().flatten() {
            if fingerprint(&file.path)? != Some(file.fingerprint) {
                let shown = file.path.to_string_lossy();
                return Err(Failure::contradiction(format!(
                    "{} changed while the command ran, so nothing was attested",
                    Plain(&shown)
                ))
                .hint("run the command again when nobody edits its code"));
            }
        }
        Ok(())
    }
}

/// The file that a shell would execute under this name.
fn find_program(name: &str) -> Option<PathBuf> {
    if name.contains('/') {
        return Path::new(name).is_file().then(|| PathBuf::from(name));
    }
    let path = std::env::var_os("PATH")?;
    let candidates = std::env::split_paths(&path).map(|folder| folder.join(name));
    candidates.into_iter().find(|candidate| {
        let executable = rustix::fs::access(candidate, rustix::fs::Access::EXEC_OK).is_ok();
        candidate.is_file() && executable
    })
}

/// The interpreter that the first line of a script names.
fn shebang(program: &Path) -> Option<PathBuf> {
    let mut start = [0; 256];
    let length = std::fs::File::open(program).ok()?.read(&mut start).ok()?;
    let line = start[..length].strip_prefix(b"#!")?;
    let line = line.split(|byte| *byte == b'\n').next()?;
    let mut words = std::str::from_utf8(line).ok()?.split_whitespace();
    let interpreter = words.next()?;
    match interpreter.ends_with("/env") {
        true => find_program(words.find(|word| !word.starts_with('-'))?),
        false => Some(PathBuf::from(interpreter)),
    }
}

/// Whether the program runs code that it is given as a file or as an argument.
fn is_interpreter(program: &Path) -> bool {
    const NAMES: &[&str] = &[
        "sh", "bash", "dash", "zsh", "ksh", "fish", "python", "pypy", "perl", "ruby", "node",
        "deno", "bun", "rscript", "php", "lua", "julia", "pwsh",
    ];
    let name = program
        .file_name()
        .and_then(|name| name.to_str())
        .unwrap_or_default();
    // `python3.11` is `python`.
    let name = name.trim_end_matches(|c: char| c.is_ascii_digit() || c == '.');
    NAMES.contains(&name.to_ascii_lowercase().as_str())
}

/// Whether code follows in the command line: `-c`, `-e`, a cluster such as `-euc`, or a module
/// (`-m`) that is not a file.
fn is_inline_option(argument: &str) -> bool {
    let long = ["--eval", "--print", "--command"];
    let cluster = argument.strip_prefix('-').filter(|rest| {
        !rest.is_empty() && rest.len() <= 4 && rest.chars().all(|c| c.is_ascii_lowercase())
    });
    long.contains(&argument) || cluster.is_some_and(|rest| rest.ends_with(['c', 'e', 'm']))
}
