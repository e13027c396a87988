//! Names of objects: `s3://bucket/key`, `gs://bucket/key`, `az://container/key`.

use std::fmt;

use object_store::path::Path;

use crate::error::ObjectError;

/// Whose protocol an object store speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Service {
    /// S3.
    Amazon,
    /// Google Cloud Storage.
    Google,
    /// Azure Blob Storage.
    Azure,
}

impl Service {
    const ALL: [Self; 3] = [Self::Amazon, Self::Google, Self::Azure];

    /// Begins the URLs of its objects.
    const fn scheme(self) -> &'static str {
        match self {
            Self::Amazon => "s3",
            Self::Google => "gs",
            Self::Azure => "az",
        }
    }

    /// Introduces the version at the end of a URL, by the name that it has in requests.
    const fn version(self) -> &'static str {
        match self {
            Self::Amazon => "?versionId=",
            Self::Google => "?generation=",
            Self::Azure => "?versionid=",
        }
    }
}

/// Name of an object in a store.
///
/// The key stands as it is, without percent-encoding, as other tools write it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectUrl {
    service: Service,
    bucket: String,
    key: Path,
    version: Option<String>,
}

impl ObjectUrl {
    /// Reads `text`, if it is a URL of an object store and not a path.
    pub fn parse(text: &str) -> Option<Result<Self, ObjectError>> {
        let (scheme, rest) = text.split_once("://")?;
        let refuse = |why| {
            Some(Err(ObjectError::Url {
                url: text.to_owned(),
                why,
            }))
        };
        let service = Service::ALL.into_iter().find(|one| one.scheme() == scheme);
        let Some(service) = service else {
            return match scheme {
                "s3a" | "gcs" | "wasb" | "wasbs" | "abfs" | "abfss" | "azure" | "http"
                | "https" => refuse(
                    "this version reads s3://bucket/key, gs://bucket/key and az://container/key",
                ),
                _ => None,
            };
        };
        let Some((bucket, key)) = rest.split_once('/') else {
            return refuse(match service {
                Service::Amazon => "needed s3://bucket/key",
                Service::Google => "needed gs://bucket/key",
                Service::Azure => "needed az://container/key",
            });
        };
        let (key, version) = match key.split_once(service.version()) {
            Some((key, version)) => (key, Some(version.to_owned())),
            None => (key, None),
        };
        let plain = |c: char| c.is_ascii_alphanumeric() || ".-_".contains(c);
        if bucket.is_empty() || !bucket.chars().all(plain) {
            return refuse("its bucket has no valid name");
        }
        if key.is_empty() || key.ends_with('/') {
            return refuse("it is a prefix; name one object");
        }
        let is_number = |text: &String| text.bytes().all(|byte| byte.is_ascii_digit());
        if service == Service::Google && !version.as_ref().is_none_or(is_number) {
            return refuse("its generation is no number");
        }
        match Path::parse(key) {
            // Reading leaves a slash at either end out, and that would be another object.
            Ok(path) if path.as_ref() == key && version.as_deref() != Some("") => Some(Ok(Self {
                service,
                bucket: bucket.to_owned(),
                key: path,
                version,
            })),
            _ => refuse("its key has an empty part, `.`, `..` or control characters"),
        }
    }

    /// The object beside this one, whatever its version, that has `end` after its key. The end
    /// has no slash.
    #[must_use]
    pub fn beside(&self, end: &str) -> Self {
        let Ok(key) = Path::parse(format!("{}{end}", self.key)) else {
            unreachable!("a key stays one with more at its end");
        };
        Self {
            service: self.service,
            bucket: self.bucket.clone(),
            key,
            version: None,
        }
    }

    /// The same object at this version.
    #[must_use]
    pub fn at(&self, version: Option<String>) -> Self {
        Self {
            version,
            ..self.clone()
        }
    }

    /// Whose protocol its store speaks.
    pub fn service(&self) -> Service {
        self.service
    }

    pub(crate) fn bucket(&self) -> &str {
        &self.bucket
    }

    pub(crate) fn key(&self) -> &Path {
        &self.key
    }

    pub(crate) fn version(&self) -> Option<&str> {
        self.version.as_deref()
    }
}

impl fmt::Display for ObjectUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (scheme, introduced) = (self.service.scheme(), self.service.version());
        write!(f, "{scheme}://{}/{}", self.bucket, self.key)?;
        match &self.version {
            Some(version) => write!(f, "{introduced}{version}"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_read_and_written_the_same() {
        for text in [
            "s3://bucket/key",
            "s3://my.bucket-1/a/b c/ü.csv",
            "s3://bucket/a%20b",
            "s3://bucket/a?b",
            "s3://bucket/key?versionId=abc.1",
            "gs://bucket/a b/key?generation=1700000000000001",
            "gs://bucket/key?versionId=abc.1",
            "az://container/key?versionid=2026-03-02T09:08:41.1234567Z",
        ] {
            let url = ObjectUrl::parse(text).expect("a URL").expect("an object");
            assert_eq!(url.to_string(), text);
        }
    }

    #[test]
    fn the_attestation_is_beside_every_version() {
        let url = ObjectUrl::parse("s3://b/a/k.csv?versionId=1")
            .expect("a URL")
            .expect("an object");
        assert_eq!(
            url.beside(".attestation").to_string(),
            "s3://b/a/k.csv.attestation"
        );
    }

    #[test]
    fn what_names_no_single_object_is_refused_and_paths_are_left_alone() {
        for text in [
            "s3://",
            "s3://bucket",
            "s3://bucket/",
            "s3://bucket/a/",
            "s3:///key",
            "s3://bucket//key",
            "s3://bucket/a//b",
            "s3://bucket/../b",
            "s3://bucket/./b",
            "s3://bu cket/b",
            "s3://user@bucket/b",
            "s3://bucket/key?versionId=",
            "gs://bucket",
            "gs://bucket/key?generation=",
            "gs://bucket/key?generation=1&x=2",
            "az://container/",
            "az://account@container/key",
            "abfss://container@account.dfs.core.windows.net/key",
            "https://host/key",
            "s3://bucket/a\nb",
        ] {
            assert!(matches!(ObjectUrl::parse(text), Some(Err(_))), "{text}");
        }
        for path in [
            "data.csv",
            "./s3:/x",
            "s3:/bucket/key",
            "file:///a",
            "c://x",
        ] {
            assert!(ObjectUrl::parse(path).is_none(), "{path}");
        }
    }
}
