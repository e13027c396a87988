//! Addresses that are asked, and how they are shown.

use std::fmt;

use makoto::secret::address_without_secrets;
use reqwest::Url;

/// An address of `http` or `https`, without user name and password.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address(Url);

/// Why nobody can be asked there.
#[derive(Debug, thiserror::Error)]
#[error("{url:?} is no address that can be asked: {needed}")]
pub struct AddressError {
    /// What was given; without a password, should it have one.
    pub url: String,
    /// What is needed.
    pub needed: &'static str,
}

impl Address {
    /// The address `url`.
    ///
    /// # Errors
    /// [`AddressError`] for other schemes, and for addresses with a password, which would be shown
    /// with the address.
    pub fn parse(url: &str) -> Result<Self, AddressError> {
        let refuse = |needed| {
            let url = address_without_secrets(url);
            Err(AddressError { url, needed })
        };
        let Ok(parsed) = Url::parse(url) else {
            return refuse("needed http:// or https:// and a host");
        };
        if !parsed.username().is_empty() || parsed.password().is_some() {
            return refuse("needed one without user name and password");
        }
        match (parsed.scheme(), parsed.host_str()) {
            ("http" | "https", Some(_)) => Ok(Self(parsed)),
            _ => refuse("needed http:// or https:// and a host"),
        }
    }

    pub(crate) fn url(&self) -> &Url {
        &self.0
    }

    /// Whether it is at `host`: `name` for `https` at port 443, else `name:port`.
    pub(crate) fn is_at(&self, host: &str) -> bool {
        let own = (self.0.host_str(), self.0.port_or_known_default());
        match host.rsplit_once(':') {
            Some((name, port)) => own == (Some(name), port.parse().ok()),
            None => own == (Some(host), Some(443)) && self.0.scheme() == "https",
        }
    }
}

/// The address without its query, in which keys are given to some authorities.
impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&address_without_secrets(self.0.as_str()))
    }
}

#[cfg(test)]
mod tests {
    use super::Address;

    #[test]
    fn an_address_is_http_with_a_host_and_no_password() {
        for good in ["http://127.0.0.1:3004/api", "https://tsa.example"] {
            assert!(Address::parse(good).is_ok(), "{good}");
        }
        for bad in [
            "tsa.example",
            "ftp://tsa.example",
            "file:///etc/passwd",
            "http://",
            "",
        ] {
            assert!(Address::parse(bad).is_err(), "{bad}");
        }
        let error = Address::parse("https://user:hunter22@tsa.example");
        let error = error.map_err(|error| error.to_string());
        assert!(error.is_err_and(|error| !error.contains("hunter22")));
    }

    #[test]
    fn a_host_is_one_name_and_one_port() {
        let is_at = |url: &str, host: &str| Address::parse(url).is_ok_and(|url| url.is_at(host));
        for (url, host) in [
            ("https://registry.example/a", "registry.example"),
            ("https://REGISTRY.example:443/a", "registry.example"),
            ("https://registry.example/a", "registry.example:443"),
            ("https://registry.example:8443/a", "registry.example:8443"),
            ("http://registry.example/a", "registry.example:80"),
            ("http://127.0.0.1:3004/a", "127.0.0.1:3004"),
        ] {
            assert!(is_at(url, host), "{url} {host}");
        }
        for (url, host) in [
            ("http://registry.example/a", "registry.example"),
            ("http://registry.example:443/a", "registry.example"),
            ("https://registry.example:8443/a", "registry.example"),
            ("https://registry.example/a", "registry.example:8443"),
            (
                "https://registry.example.evil.example/a",
                "registry.example",
            ),
            ("https://evil.example/registry.example", "registry.example"),
            ("https://evil.example#registry.example", "registry.example"),
            (
                "https://evil.example\\@registry.example/",
                "registry.example",
            ),
            ("https://registry.example@evil.example/", "registry.example"),
            ("https://registry.example./a", "registry.example"),
            ("https://registry.example:65979/a", "registry.example"),
        ] {
            assert!(!is_at(url, host), "{url} {host}");
        }
    }
}
