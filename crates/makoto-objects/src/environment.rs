//! The settings of a process, and what is never taken from them.

use std::net::IpAddr;
use std::str::FromStr;
use std::time::Duration;

use makoto::limits::Limits;
use object_store::{ClientConfigKey, ClientOptions, RetryConfig};

use crate::error::ObjectError;

/// Settings by their names, as a process gets them.
#[derive(Debug, Clone)]
pub(crate) struct Environment(Vec<(String, String)>);

impl Environment {
    pub(crate) fn new(settings: impl IntoIterator<Item = (String, String)>) -> Self {
        Self(settings.into_iter().collect())
    }

    /// The setting `name`, if it is there and says something.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        let mut named = self.0.iter().filter(|(key, _)| key == name);
        named
            .next()
            .map(|(_, value)| value.as_str())
            .filter(|value| !value.is_empty())
    }

    /// Sets what is not set yet.
    pub(crate) fn add(&mut self, name: &str, value: &str) {
        if self.get(name).is_none() {
            self.0.retain(|(key, _)| key != name);
            self.0.push((name.to_owned(), value.to_owned()));
        }
    }

    /// Forgets the settings whose names are `named`.
    pub(crate) fn remove_all(&mut self, named: impl Fn(&str) -> bool) {
        self.0.retain(|(key, _)| !named(key));
    }

    /// The settings that begin with `prefix` and are ones of the client of a store.
    pub(crate) fn keys<'a, K: FromStr + 'a>(
        &'a self,
        prefix: &'a str,
    ) -> impl Iterator<Item = (K, &'a str)> {
        let of_store = self
            .0
            .iter()
            .filter(move |(key, _)| key.starts_with(prefix));
        of_store.filter_map(|(key, value)| {
            let key = key.to_ascii_lowercase().parse().ok()?;
            Some((key, value.as_str()))
        })
    }

    /// How a client connects that is sent to the `endpoints` which are set: plain http only when
    /// one is on this machine, or when the setting `allow` is `true`.
    ///
    /// # Errors
    /// [`ObjectError::PlainHttp`].
    pub(crate) fn connection(
        &self,
        endpoints: &[&str],
        allow: &'static str,
    ) -> Result<ClientOptions, ObjectError> {
        let is_plain = |endpoint: &&str| !endpoint.to_ascii_lowercase().starts_with("https://");
        let endpoints = endpoints.iter().filter_map(|name| self.get(name));
        let plain: Vec<_> = endpoints.filter(is_plain).collect();
        let far = plain.iter().find(|endpoint| !is_on_this_machine(endpoint));
        if let (Some(far), false) = (far, self.get(allow) == Some("true")) {
            let endpoint = (*far).to_owned();
            return Err(ObjectError::PlainHttp { endpoint, allow });
        }
        let limits = Limits::DEFAULT;
        Ok(ClientOptions::new()
            .with_allow_http(!plain.is_empty())
            .with_connect_timeout(Duration::from_secs(limits.connect_seconds))
            .with_timeout(Duration::from_secs(limits.request_seconds)))
    }
}

/// Whether a setting of connections may be taken as it stands. Plain http is decided by the
/// endpoint, and certificates are always checked: else anyone on the way could read or change
/// what passes.
pub(crate) fn may_be_set(key: &ClientConfigKey) -> bool {
    !matches!(
        key,
        ClientConfigKey::AllowHttp | ClientConfigKey::AllowInvalidCertificates
    )
}

/// How often and how long a request is sent again.
pub(crate) fn retry() -> RetryConfig {
    RetryConfig {
        max_retries: Limits::DEFAULT.request_retries,
        ..RetryConfig::default()
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
