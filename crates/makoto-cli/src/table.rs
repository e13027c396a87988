//! Folders that are tables: which they are, what is left out of them, and which are refused.

use std::path::Path;

use makoto::attestation::Attestation;
use makoto::exclude::Pattern;
use makoto::manifest::Manifest;
use makoto::record::{Format, Settings};
use makoto::verify::{Candidates, FolderReading};
use makoto_data::{
    Catalog, DataError, FolderDigest, Links, Listing, Sidecar, Snapshots, attestation_path,
    digest_folder, list_folder, read_manifest, snapshots,
};

use crate::failure::Failure;
use crate::progress::Bar;
use crate::records::{FormatArg, RecordArgs};
use crate::screen::Plain;

/// How the folder at `path` is read: what is left out, and whether it is a table.
pub(crate) fn reading(path: &Path, args: &RecordArgs) -> Result<FolderReading, Failure> {
    let mut with_defaults = match args.no_default_excludes {
        true => Vec::new(),
        false => Pattern::of_tables(),
    };
    for pattern in &args.exclude {
        if !with_defaults.contains(pattern) {
            with_defaults.push(pattern.clone());
        }
    }
    let format = match args.format {
        FormatArg::Parquet => Some(Format::Parquet),
        FormatArg::Arrow => Some(Format::Arrow),
        FormatArg::Auto => table_in(path, args, &with_defaults)?,
        FormatArg::Bytes | FormatArg::Csv | FormatArg::Jsonl => None,
    };
    Ok(match format {
        Some(format) => FolderReading {
            exclude: with_defaults,
            settings: Some(Settings::for_format(format)),
        },
        None => FolderReading {
            exclude: args.exclude.clone(),
            settings: None,
        },
    })
}

/// The format of tables that all files of a folder have, by their names.
fn table_in(
    path: &Path,
    args: &RecordArgs,
    exclude: &[Pattern],
) -> Result<Option<Format>, Failure> {
    let files = match list_folder(path, args.links(), exclude) {
        Ok(listing) => listing.files,
        Err(DataError::NothingLeft { .. }) => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    Ok(format_of_all(files.iter().map(|file| file.name.as_str())))
}

/// The format of tables that all files of these names have.
fn format_of_all<'a>(names: impl IntoIterator<Item = &'a str>) -> Option<Format> {
    let mut formats = names.into_iter().map(|name| table_format(Path::new(name)));
    let first = formats.next().flatten();
    first.filter(|first| formats.all(|format| format == Some(*first)))
}

/// How the files `names` of a folder are counted as one table, if they are one.
pub(crate) fn settings_of_listed(names: &[String], args: &RecordArgs) -> Option<Settings> {
    let format = match args.format {
        FormatArg::Parquet => Some(Format::Parquet),
        FormatArg::Arrow => Some(Format::Arrow),
        FormatArg::Auto => format_of_all(names.iter().map(String::as_str)),
        FormatArg::Bytes | FormatArg::Csv | FormatArg::Jsonl => None,
    };
    format.map(Settings::for_format)
}

/// How the folder at `path`, which is an input, is read: by its newest attestation, if it has one.
///
/// Without one, nothing is left out, since nothing would say so: an input has only its digest.
pub(crate) fn reading_of_input(path: &Path, args: &RecordArgs) -> Result<FolderReading, Failure> {
    if let Some(own) = own_reading(path)? {
        return Ok(own);
    }
    let reading = reading(path, args)?;
    match list_folder(path, args.links(), &reading.exclude) {
        Ok(Listing { excluded: 0, .. }) => Ok(reading),
        Ok(_) | Err(DataError::NothingLeft { .. }) => Ok(FolderReading::default()),
        Err(error) => Err(error.into()),
    }
}

/// The files of the folder at `path`, and how their rows are counted, when the manifest beside it
/// is one that a statement beside it is about, and that statement is about listed files.
pub(crate) fn own_list(path: &Path) -> Result<Option<(Manifest, Option<Settings>)>, Failure> {
    let Some(bytes) = Sidecar::at(attestation_path(path)?).read()? else {
        return Ok(None);
    };
    let candidates = Candidates::read(Attestation::parse_file(&bytes).unwrap_or_default());
    let list = read_manifest(path).filter(|list| candidates.lists_files(&list.dir_hash(), None));
    Ok(list.map(|list| {
        let reading = candidates.folder_reading_for(&list.dir_hash(), None);
        (list, reading.and_then(|reading| reading.settings))
    }))
}

/// How the newest statement beside the folder at `path` reads it; `None` when nothing is beside.
fn own_reading(path: &Path) -> Result<Option<FolderReading>, Failure> {
    let Some(bytes) = Sidecar::at(attestation_path(path)?).read()? else {
        return Ok(None);
    };
    // What cannot be read is told when the attestation itself is looked for.
    let attestations = Attestation::parse_file(&bytes).unwrap_or_default();
    let readings = Candidates::read(attestations).folder_readings(None);
    Ok(Some(readings.into_iter().next().unwrap_or_default()))
}

/// The folder at `path`, hashed as an attestation of it in `catalog` says: whole, or without what
/// its own attestation or tables leave out.
pub(crate) fn attested_folder(
    path: &Path,
    links: Links,
    catalog: &Catalog,
) -> Result<(FolderDigest, Vec<Pattern>), Failure> {
    let own = own_reading(path)?.unwrap_or_default().exclude;
    let mut first = None;
    for exclude in [own, Vec::new(), Pattern::of_tables()] {
        let bar = Bar::reading(path);
        let folder = match digest_folder(path, links, &exclude, &|bytes| bar.add(bytes)) {
            Ok(folder) => folder,
            Err(DataError::NothingLeft { .. }) => continue,
            Err(error) => return Err(error.into()),
        };
        if !catalog.ids_about(&folder.manifest.dir_hash())?.is_empty() {
            return Ok((folder, exclude));
        }
        first = first.or(Some((folder, exclude)));
    }
    first.ok_or_else(|| {
        let shown = path.to_string_lossy();
        Failure::usage(format!(
            "{} holds nothing but what tables leave out",
            Plain(&shown)
        ))
    })
}

/// A table of several versions holds rows that were deleted or replaced; all of its files
/// together are no dataset.
pub(crate) fn refuse_snapshots(path: &Path) -> Result<(), Failure> {
    let name = match snapshots(path) {
        None => return Ok(()),
        Some(Snapshots::Delta) => "a Delta table",
        Some(Snapshots::Iceberg) => "an Iceberg table",
    };
    Err(Failure::usage(format!(
        "{} is {name}: its folder holds files of several versions, and those of none alone are in it",
        Plain(&path.to_string_lossy())
    ))
    .hint(
        "attest the files of one snapshot with --files-from; --format bytes attests all the bytes anyway",
    ))
}

/// The format of the table at `path`, by the end of its name.
pub(crate) fn table_format(path: &Path) -> Option<Format> {
    let extension = path.extension()?.to_str()?.to_ascii_lowercase();
    match extension.as_str() {
        "parquet" | "pq" => Some(Format::Parquet),
        "arrow" | "feather" | "ipc" => Some(Format::Arrow),
        _ => None,
    }
}
