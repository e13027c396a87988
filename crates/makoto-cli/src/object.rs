//! Datasets in object stores, as the commands see them.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use makoto::json::{Json, Object as Members};
use makoto::limits::Limits;
use makoto::statement::Times;
use makoto_data::{Existing, Progress, Sidecar, Stream, Written};
use makoto_objects::{Condition, Object, ObjectError, ObjectUrl, Service, Store};

use crate::dataset::{BadRecords, Measured};
use crate::failure::Failure;
use crate::records::RecordArgs;

/// Annotation of a subject that says which version of an object it is about.
pub(crate) const OBJECT_ANNOTATION: &str = "https://makoto.dev/object/v1";

/// The object that `path` names, if it is a URL.
pub(crate) fn url_of(path: &Path) -> Result<Option<ObjectUrl>, Failure> {
    let url = path.to_str().and_then(ObjectUrl::parse);
    Ok(url.transpose()?)
}

/// Whether `path` is a URL, of whatever store.
pub(crate) fn is_url(path: &Path) -> bool {
    path.to_str().and_then(ObjectUrl::parse).is_some()
}

/// The one client of this process.
fn store() -> Result<&'static Store, Failure> {
    static STORE: OnceLock<Store> = OnceLock::new();
    if let Some(store) = STORE.get() {
        return Ok(store);
    }
    let text = |(key, value): (std::ffi::OsString, std::ffi::OsString)| {
        Some((key.into_string().ok()?, value.into_string().ok()?))
    };
    let store = Store::new(std::env::vars_os().filter_map(text))?;
    Ok(STORE.get_or_init(|| store))
}

/// Looks whether the object at `url` is there and can be read.
pub(crate) fn look(url: &ObjectUrl) -> Result<(), Failure> {
    Object::open(store()?, url)?;
    Ok(())
}

/// An object that is about to be read, and its bytes.
pub(crate) fn open(url: &ObjectUrl) -> Result<(Object, Stream<'static>), Failure> {
    let object = Object::open(store()?, url)?;
    let name = PathBuf::from(object.url().to_string());
    let stream = Stream::open(&name, Some(object.size()), object.reader())?;
    Ok((object, stream))
}

/// Reads the object at `url` as a dataset.
pub(crate) fn measure(
    url: &ObjectUrl,
    args: &RecordArgs,
    bad_records: BadRecords,
    progress: &Progress<'_>,
) -> Result<Measured, Failure> {
    let (object, stream) = open(url)?;
    let path = PathBuf::from(url.beside("").to_string());
    let mut data = Measured::of_stream(&path, stream, args, bad_records, progress, None)?;
    let facts = [("versionId", object.version()), ("etag", object.etag())];
    let facts = facts
        .into_iter()
        .filter_map(|(key, value)| Some((key, value?)));
    data.object = Some(Place {
        uri: object.url().to_string(),
        facts: Json::Object(Members::from_iter(facts)),
    });
    Ok(data)
}

/// Where an object is and what its store says of it.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    /// Its URL, with the version where there is one.
    pub(crate) uri: String,
    /// Members of the annotation.
    pub(crate) facts: Json,
}

/// The bytes of the attestation file at `url`, if it is there.
pub(crate) fn read(url: &ObjectUrl) -> Result<Option<Vec<u8>>, Failure> {
    let small = store()?.get_small(url, Limits::DEFAULT.sidecar_bytes)?;
    Ok(small.map(|small| small.bytes))
}

/// The attestation beside the object at `url`: its URL, and its bytes if it is there.
pub(crate) fn read_beside(url: &ObjectUrl) -> Result<(Sidecar, Option<Vec<u8>>), Failure> {
    let beside = url.beside(".attestation");
    let sidecar = Sidecar::at(PathBuf::from(beside.to_string()));
    Ok((sidecar, read(&beside)?))
}

/// Writes the statement beside the object at `url`, if what is there is still what was read.
pub(crate) fn write_beside(
    url: &ObjectUrl,
    statement: &[u8],
    existing: Existing,
    times: Times,
) -> Result<(PathBuf, Written), Failure> {
    let beside = url.beside(".attestation");
    let there = store()?.get_small(&beside, Limits::DEFAULT.sidecar_bytes)?;
    let sidecar = Sidecar::at(PathBuf::from(beside.to_string()));
    let bytes = there.as_ref().map(|small| small.bytes.clone());
    let (written, bytes) = sidecar.revise(bytes, statement, existing, times)?;
    if let Some(bytes) = bytes {
        let condition = there.map_or(Condition::Free, Condition::Still);
        store()?.put(&beside, bytes, condition)?;
    }
    Ok((sidecar.path().to_owned(), written))
}

impl From<ObjectError> for Failure {
    fn from(error: ObjectError) -> Self {
        let failure = Self::of(&error);
        match error {
            ObjectError::PlainHttp { allow, .. } => failure.hint(format!(
                "give an https endpoint, or set {allow}=true on a network that you trust"
            )),
            ObjectError::Denied { url, .. } => failure.hint(settings_of(url.service())),
            ObjectError::NotFound(url) => {
                failure.hint(format!("check bucket and key; {}", settings_of(url.service())))
            }
            ObjectError::Settings(_) => failure.hint(
                "settings come from the environment: AWS_… and the profile files for s3://, GOOGLE_… for gs://, AZURE_… for az://",
            ),
            ObjectError::Changed(_) => {
                failure.hint("wait until nothing writes to it, then run the command again")
            }
            ObjectError::NotPinned(_) => failure.hint("copy it to a file and attest that"),
            ObjectError::Failed { .. } => {
                failure.hint("nothing was written; run the command again when the store is well")
            }
            ObjectError::Url { .. } | ObjectError::TooLarge { .. } => failure,
        }
    }
}

/// Where the settings of a service come from.
const fn settings_of(service: Service) -> &'static str {
    match service {
        Service::Amazon => {
            "credentials come from AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY or AWS_PROFILE, the server from AWS_ENDPOINT_URL and AWS_REGION"
        }
        Service::Google => {
            "credentials come from the file that GOOGLE_APPLICATION_CREDENTIALS names, the server from STORAGE_EMULATOR_HOST"
        }
        Service::Azure => {
            "credentials come from AZURE_STORAGE_CONNECTION_STRING, or AZURE_STORAGE_ACCOUNT_NAME with AZURE_STORAGE_ACCOUNT_KEY or AZURE_STORAGE_SAS_TOKEN"
        }
    }
}
