//! A folder that is verified: how it is to be read is said by the statements about it.

use std::borrow::Cow;
use std::path::Path;

use makoto::datetime::DateTime;
use makoto::exclude::Pattern;
use makoto::limits::Limits;
use makoto::report::Report;
use makoto::verify::{Candidates, Evidence, FolderEvidence, FolderReading, MemberEvidence};
use makoto_data::{
    DataError, Links, Missing, Progress, count_unlisted, digest_file, digest_folder, digest_listed,
    digest_table, member_path, read_manifest,
};

use super::known::Known;
use crate::failure::Failure;

/// A folder, and how its files are come by.
pub(super) struct Folder<'a> {
    pub(super) path: &'a Path,
    pub(super) links: Links,
    pub(super) progress: &'a Progress<'a>,
}

impl Folder<'_> {
    /// The statements that say how the folder is to be read. Those of a store are found by what
    /// a folder has when everything counts, or when what tables leave out does not.
    pub(super) fn candidates<'k>(
        &self,
        known: &'k Known,
        now: &DateTime,
    ) -> Result<Result<Cow<'k, Candidates>, Box<Report>>, Failure> {
        if known.has_beside() {
            return Ok(Ok(Cow::Borrowed(known.beside())));
        }
        let mut absent = None;
        for exclude in [Vec::new(), Pattern::of_tables()] {
            let folder = match digest_folder(self.path, self.links, &exclude, self.progress) {
                Ok(folder) => folder,
                Err(DataError::NothingLeft { .. }) => continue,
                Err(error) => return Err(error.into()),
            };
            match known.candidates(&folder.manifest.dir_hash(), now)? {
                Ok(candidates) => return Ok(Ok(candidates)),
                Err(report) => absent = absent.or(Some(report)),
            }
        }
        match absent {
            Some(report) => Ok(Err(report)),
            None => Ok(Ok(Cow::Borrowed(known.beside()))),
        }
    }

    /// Reads the folder as the statement says that is about what is found in it; where none is,
    /// as the first says.
    pub(super) fn read(
        &self,
        candidates: &Candidates,
        name: Option<&str>,
    ) -> Result<Evidence, Failure> {
        if let Some(evidence) = self.read_listed(candidates, name)? {
            return Ok(Evidence::Folder(Box::new(evidence)));
        }
        let mut readings = candidates.folder_readings(name);
        let first = match readings.is_empty() {
            true => FolderReading::default(),
            false => readings.remove(0),
        };
        let evidence = self.read_as(first)?;
        let found = evidence.found.dir_hash();
        match candidates.folder_reading_for(&found, name) {
            Some(reading) if reading == evidence.reading => {
                return Ok(Evidence::Folder(Box::new(evidence)));
            }
            Some(reading) => readings.insert(0, reading),
            None => {}
        }
        // Another statement may leave out other files. Each way is a reading of everything.
        let limit = Limits::DEFAULT.folder_readings;
        if readings.len() > limit {
            return Err(Failure::usage(format!(
                "the statements beside the folder leave out files in more than {limit} ways, and \
                 the first does not fit"
            ))
            .hint("name the attestation with --attestation, or the dataset with --as"));
        }
        for reading in readings {
            let folder = digest_folder(self.path, self.links, &reading.exclude, self.progress);
            let found = match folder {
                Ok(folder) => folder.manifest.dir_hash(),
                Err(DataError::NothingLeft { .. }) => continue,
                Err(error) => return Err(error.into()),
            };
            if candidates.folder_reading_for(&found, name).as_ref() == Some(&reading) {
                let evidence = self.read_as(reading)?;
                return Ok(Evidence::Folder(Box::new(evidence)));
            }
        }
        Ok(Evidence::Folder(Box::new(evidence)))
    }

    /// Reads the files that the manifest beside the folder lists, when that manifest is the one
    /// that a statement is about, and the statement is about listed files.
    fn read_listed(
        &self,
        candidates: &Candidates,
        name: Option<&str>,
    ) -> Result<Option<FolderEvidence>, Failure> {
        let stored = read_manifest(self.path);
        // A manifest with the attested digest is as good as the attestation.
        let list = stored.filter(|stored| candidates.lists_files(&stored.dir_hash(), name));
        let Some(list) = list else {
            return Ok(None);
        };
        let names: Vec<_> = list.paths().map(str::to_owned).collect();
        let (links, missing) = (self.links, Missing::LeaveOut);
        let reading = candidates.folder_reading_for(&list.dir_hash(), name);
        let reading = reading.unwrap_or_default();
        let format = reading.settings.as_ref().map(|settings| settings.format);
        let listed = digest_listed(self.path, &names, links, missing, format, self.progress)?;
        Ok(Some(FolderEvidence {
            found: listed.manifest,
            unlisted: Some(count_unlisted(self.path, &list)),
            stored: Some(list),
            reading,
            excluded: 0,
            records: listed.records,
        }))
    }

    fn read_as(&self, reading: FolderReading) -> Result<FolderEvidence, Failure> {
        let (links, exclude) = (self.links, &reading.exclude);
        let (folder, records) = match &reading.settings {
            None => {
                let folder = digest_folder(self.path, links, exclude, self.progress)?;
                (folder, None)
            }
            Some(settings) => {
                let format = settings.format;
                let (folder, records) =
                    digest_table(self.path, links, exclude, format, self.progress)?;
                (folder, Some(records))
            }
        };
        Ok(FolderEvidence {
            found: folder.manifest,
            stored: read_manifest(self.path),
            unlisted: None,
            reading,
            excluded: folder.excluded,
            records,
        })
    }

    /// Reads one file of the folder, by the manifest beside it.
    pub(super) fn read_member(&self, member: &str) -> Result<Evidence, Failure> {
        makoto::manifest::check_path(member)
            .map_err(|error| Failure::usage(format!("--member: {error}")))?;
        let manifest = read_manifest(self.path).ok_or_else(|| {
            Failure::usage("there is no manifest beside the folder")
                .hint("verify the whole folder, or get its .manifest from its producer")
        })?;
        let path = member_path(self.path, member, self.links)?;
        let digest = digest_file(&path, None, &|_| {}, None)?;
        Ok(Evidence::Member(MemberEvidence {
            manifest,
            path: member.to_owned(),
            sha256: digest.sha256,
        }))
    }
}
