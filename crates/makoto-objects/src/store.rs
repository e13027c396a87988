//! A client of object stores: where it may connect, how long it waits, and small objects.

use std::collections::HashMap;
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use object_store::{GetOptions, GetResult, ObjectStore, PutMode, PutOptions, UpdateVersion};
use tokio::runtime::{Builder, Runtime};

use crate::environment::Environment;
use crate::error::ObjectError;
use crate::url::{ObjectUrl, Service};
use crate::{amazon, azure, google};

/// A client of object stores.
#[derive(Debug)]
pub struct Store {
    runtime: Runtime,
    environment: Environment,
    /// Clients by what they are clients of, so that connections and tokens are used again.
    clients: Mutex<HashMap<(Service, String), Arc<dyn ObjectStore>>>,
}

/// A small object, and which one of its place it is.
#[derive(Debug, Clone)]
pub struct Small {
    /// Its bytes.
    pub bytes: Vec<u8>,
    version: UpdateVersion,
}

/// What must have the place of an object that is written.
#[derive(Debug, Clone)]
pub enum Condition {
    /// Nothing.
    Free,
    /// The object that was read.
    Still(Small),
}

impl Store {
    /// A client with the settings of an environment. A store is set up when an object of it is
    /// asked for, and what is wrong with its settings is told then:
    ///
    /// - S3: `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`, `AWS_SESSION_TOKEN`, `AWS_REGION`,
    ///   `AWS_ENDPOINT_URL`, those of roles in containers and of web identities, then the profile
    ///   `AWS_PROFILE` in `~/.aws`, and otherwise the machine's own role;
    /// - Google: `GOOGLE_APPLICATION_CREDENTIALS`, `GOOGLE_SERVICE_ACCOUNT_KEY`,
    ///   `STORAGE_EMULATOR_HOST`, and otherwise the machine's own role;
    /// - Azure: `AZURE_STORAGE_CONNECTION_STRING`, or `AZURE_STORAGE_ACCOUNT_NAME` with
    ///   `AZURE_STORAGE_ACCOUNT_KEY`, `AZURE_STORAGE_SAS_TOKEN`, those of applications and of
    ///   web identities, and otherwise the machine's own role.
    ///
    /// # Errors
    /// [`ObjectError::Settings`].
    pub fn new(
        environment: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, ObjectError> {
        let runtime = Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .map_err(ObjectError::settings)?;
        Ok(Self {
            runtime,
            environment: Environment::new(environment),
            clients: Mutex::default(),
        })
    }

    /// The small object at `url`; `None` when it is not there.
    ///
    /// # Errors
    /// [`ObjectError`]; one larger than `limit` bytes is not read.
    pub fn get_small(&self, url: &ObjectUrl, limit: usize) -> Result<Option<Small>, ObjectError> {
        let what = "reading";
        let bucket = self.bucket(url)?;
        let read = async {
            let options = GetOptions::new().with_version(url.version().map(str::to_owned));
            let found = bucket.get_opts(url.key(), options).await;
            let found: GetResult = match found.map_err(ObjectError::of(what, url)) {
                Err(ObjectError::NotFound(_)) => return Ok(None),
                other => other?,
            };
            if found.meta.size > limit as u64 {
                let url = url.clone();
                return Err(ObjectError::TooLarge { url, limit });
            }
            let version = UpdateVersion {
                e_tag: found.meta.e_tag.clone(),
                version: found.meta.version.clone(),
            };
            let bytes = found.bytes().await.map_err(ObjectError::of(what, url))?;
            let bytes = bytes.to_vec();
            Ok(Some(Small { bytes, version }))
        };
        self.runtime.block_on(read)
    }

    /// Writes the object at `url`, if the place is as `condition` says. It is there whole or not
    /// at all.
    ///
    /// # Errors
    /// [`ObjectError::Changed`] when the place is not as it was; then it stays as it is.
    pub fn put(
        &self,
        url: &ObjectUrl,
        bytes: Vec<u8>,
        condition: Condition,
    ) -> Result<(), ObjectError> {
        let bucket = self.bucket(url)?;
        let mode = match condition {
            Condition::Free => PutMode::Create,
            Condition::Still(small) => PutMode::Update(small.version),
        };
        let options = PutOptions::from(mode);
        let put = bucket.put_opts(url.key(), Bytes::from(bytes).into(), options);
        let put = self.runtime.block_on(put);
        put.map(drop).map_err(ObjectError::of("writing", url))
    }

    /// A client of the bucket of `url`.
    ///
    /// # Errors
    /// [`ObjectError::PlainHttp`] for an endpoint that is neither https nor on this machine,
    /// unless `AWS_ALLOW_HTTP`, `GOOGLE_ALLOW_HTTP` or `AZURE_ALLOW_HTTP` is `true`;
    /// [`ObjectError::Settings`].
    pub(crate) fn bucket(&self, url: &ObjectUrl) -> Result<Arc<dyn ObjectStore>, ObjectError> {
        let place = (url.service(), url.bucket().to_owned());
        let mut clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(client) = clients.get(&place) {
            return Ok(Arc::clone(client));
        }
        let client = match url.service() {
            Service::Amazon => amazon::client(&self.environment, url.bucket()),
            Service::Google => google::client(&self.environment, url.bucket()),
            Service::Azure => azure::client(&self.environment, url.bucket()),
        }?;
        clients.insert(place, Arc::clone(&client));
        Ok(client)
    }

    pub(crate) fn wait<T>(&self, future: impl Future<Output = T>) -> T {
        self.runtime.block_on(future)
    }

    pub(crate) fn handle(&self) -> tokio::runtime::Handle {
        self.runtime.handle().clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(url: &str, settings: &[(&str, &str)]) -> bool {
        let settings = settings.iter();
        let settings = settings.map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
        let store = Store::new(settings).expect("a runtime");
        let url = ObjectUrl::parse(url).expect("a URL").expect("an object");
        matches!(store.bucket(&url), Err(ObjectError::PlainHttp { .. }))
    }

    /// Settings that say where requests to a service go, and the one that allows plain http.
    const PLACES: [(&str, &[&str], &str); 3] = [
        (
            "s3://bucket/key",
            &[
                "AWS_ENDPOINT_URL",
                "AWS_ENDPOINT_URL_S3",
                "AWS_ENDPOINT",
                "AWS_ENDPOINT_URL_STS",
            ],
            "AWS_ALLOW_HTTP",
        ),
        (
            "gs://bucket/key",
            &["GOOGLE_BASE_URL", "STORAGE_EMULATOR_HOST"],
            "GOOGLE_ALLOW_HTTP",
        ),
        (
            "az://container/key",
            &[
                "AZURE_STORAGE_ENDPOINT",
                "AZURE_ENDPOINT",
                "AZURE_STORAGE_AUTHORITY_HOST",
                "AZURE_AUTHORITY_HOST",
            ],
            "AZURE_ALLOW_HTTP",
        ),
    ];

    #[test]
    fn plain_http_is_spoken_on_this_machine_only_unless_allowed() {
        for (url, keys, allow) in PLACES {
            for key in keys {
                for here in [
                    "http://127.0.0.1:7070",
                    "http://localhost",
                    "http://[::1]:9/x",
                    "https://far",
                ] {
                    assert!(!refused(url, &[(key, here)]), "{key}={here}");
                }
                for far in [
                    "http://far",
                    "HTTP://far",
                    "http://127.0.0.1.far",
                    "http://127.0.0.1@far",
                    "http://localhost.far:80",
                    "http://far/localhost",
                    "http://far#@127.0.0.1",
                    "far",
                    "http://10.0.0.1",
                    "http://0.0.0.0",
                ] {
                    assert!(refused(url, &[(key, far)]), "{key}={far}");
                    assert!(refused(url, &[(key, far), (allow, "1")]), "{key}={far}");
                    assert!(!refused(url, &[(key, far), (allow, "true")]), "{key}={far}");
                }
            }
        }
    }

    #[test]
    fn the_settings_of_one_service_say_nothing_of_another() {
        let far = [
            ("AWS_ENDPOINT_URL", "http://far"),
            ("GOOGLE_ALLOW_HTTP", "true"),
        ];
        assert!(refused("s3://bucket/key", &far));
        assert!(!refused("gs://bucket/key", &far));
        assert!(!refused("az://bucket/key", &far));
    }
}
