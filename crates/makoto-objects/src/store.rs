//! A client of object stores: where it may connect, how long it waits, and small objects.

use std::future::Future;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use makoto::limits::Limits;
use object_store::aws::{AmazonS3, AmazonS3Builder};
use object_store::{
    ClientOptions, GetOptions, GetResult, ObjectStore as _, PutMode, PutOptions, RetryConfig,
    UpdateVersion,
};
use tokio::runtime::{Builder, Runtime};

use crate::error::ObjectError;
use crate::url::ObjectUrl;

/// Settings that would let anyone on the way read or change what passes. Plain http is decided
/// by the endpoint.
const NOT_TAKEN: [&str; 2] = ["AWS_ALLOW_HTTP", "AWS_ALLOW_INVALID_CERTIFICATES"];

/// A client of S3 and of stores that speak its protocol.
#[derive(Debug)]
pub struct Store {
    runtime: Runtime,
    settings: AmazonS3Builder,
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
    /// A client with the settings of an environment: `AWS_ACCESS_KEY_ID`,
    /// `AWS_SECRET_ACCESS_KEY`, `AWS_SESSION_TOKEN`, `AWS_REGION`, `AWS_ENDPOINT_URL`, those of
    /// roles in containers and of web identities, and otherwise the machine's own role.
    ///
    /// # Errors
    /// [`ObjectError::PlainHttp`] for an endpoint that is neither https nor on this machine,
    /// unless `AWS_ALLOW_HTTP` is `true`; [`ObjectError::Settings`].
    pub fn new(
        environment: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, ObjectError> {
        let limits = Limits::DEFAULT;
        let aws: Vec<_> = environment
            .into_iter()
            .filter(|(key, _)| key.starts_with("AWS_"))
            .collect();
        let is_plain = |(key, value): &&(String, String)| {
            key.starts_with("AWS_ENDPOINT") && !value.to_ascii_lowercase().starts_with("https://")
        };
        let allowed = aws
            .iter()
            .any(|(key, value)| key == "AWS_ALLOW_HTTP" && value == "true");
        let mut plain = aws.iter().filter(is_plain).map(|(_, endpoint)| endpoint);
        if let (false, Some(endpoint)) = (allowed, plain.clone().find(|e| !is_on_this_machine(e))) {
            let endpoint = endpoint.clone();
            return Err(ObjectError::PlainHttp { endpoint });
        }
        let options = ClientOptions::new()
            .with_allow_http(plain.next().is_some())
            .with_connect_timeout(Duration::from_secs(limits.connect_seconds))
            .with_timeout(Duration::from_secs(limits.request_seconds));
        let retry = RetryConfig {
            max_retries: limits.request_retries,
            ..RetryConfig::default()
        };
        let mut settings = AmazonS3Builder::new()
            .with_client_options(options)
            .with_retry(retry);
        for (key, value) in aws
            .iter()
            .filter(|(key, _)| !NOT_TAKEN.contains(&key.as_str()))
        {
            if let Ok(key) = key.to_ascii_lowercase().parse() {
                settings = settings.with_config(key, value);
            }
        }
        let runtime = Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .map_err(|error| ObjectError::Settings(Box::new(error)))?;
        Ok(Self { runtime, settings })
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

    pub(crate) fn bucket(&self, url: &ObjectUrl) -> Result<Arc<AmazonS3>, ObjectError> {
        let settings = self.settings.clone().with_bucket_name(url.bucket());
        let bucket = settings.build();
        bucket
            .map(Arc::new)
            .map_err(|error| ObjectError::Settings(Box::new(error)))
    }

    pub(crate) fn wait<T>(&self, future: impl Future<Output = T>) -> T {
        self.runtime.block_on(future)
    }

    pub(crate) fn handle(&self) -> tokio::runtime::Handle {
        self.runtime.handle().clone()
    }
}

/// Whether the host of a URL is this machine, where nobody is on the way.
fn is_on_this_machine(endpoint: &str) -> bool {
    let lower = endpoint.to_ascii_lowercase();
    let rest = lower.strip_prefix("http://").unwrap_or(&lower);
    let authority = rest.split(['/', '?', '#', '\\']).next().unwrap_or_default();
    if authority.contains('@') {
        return false;
    }
    let host = match authority.strip_prefix('[') {
        Some(v6) => v6.split(']').next().unwrap_or_default(),
        None => authority.split(':').next().unwrap_or_default(),
    };
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(settings: &[(&str, &str)]) -> bool {
        let settings = settings.iter();
        let settings = settings.map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
        matches!(Store::new(settings), Err(ObjectError::PlainHttp { .. }))
    }

    #[test]
    fn plain_http_is_spoken_on_this_machine_only_unless_allowed() {
        for here in [
            "http://127.0.0.1:7070",
            "http://localhost",
            "http://[::1]:9/x",
            "https://far",
        ] {
            assert!(!refused(&[("AWS_ENDPOINT_URL", here)]), "{here}");
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
            for key in [
                "AWS_ENDPOINT_URL",
                "AWS_ENDPOINT_URL_S3",
                "AWS_ENDPOINT",
                "AWS_ENDPOINT_URL_STS",
            ] {
                assert!(refused(&[(key, far)]), "{key}={far}");
                assert!(
                    refused(&[(key, far), ("AWS_ALLOW_HTTP", "1")]),
                    "{key}={far}"
                );
                assert!(
                    !refused(&[(key, far), ("AWS_ALLOW_HTTP", "true")]),
                    "{key}={far}"
                );
            }
        }
    }
}
