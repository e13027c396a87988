//! Clients of Azure Blob Storage.

use std::sync::Arc;

use object_store::ObjectStore;
use object_store::azure::{AzureConfigKey, MicrosoftAzureBuilder};

use crate::environment::{Environment, may_be_set, retry};
use crate::error::ObjectError;

/// Settings that say where requests and secrets go. What gives a machine its own role is no such
/// place: it is on the machine, or beside it.
const ENDPOINTS: [&str; 4] = [
    "AZURE_STORAGE_ENDPOINT",
    "AZURE_ENDPOINT",
    "AZURE_STORAGE_AUTHORITY_HOST",
    "AZURE_AUTHORITY_HOST",
];

const CONNECTION: &str = "AZURE_STORAGE_CONNECTION_STRING";

/// A client of `container` with the settings `AZURE_…` of an environment.
pub(crate) fn client(
    environment: &Environment,
    container: &str,
) -> Result<Arc<dyn ObjectStore>, ObjectError> {
    let environment = with_connection(environment)?;
    let options = environment.connection(&ENDPOINTS, "AZURE_ALLOW_HTTP")?;
    let mut settings = MicrosoftAzureBuilder::new()
        .with_client_options(options)
        .with_retry(retry());
    for (key, value) in environment.keys("AZURE_") {
        match key {
            AzureConfigKey::Client(key) if !may_be_set(&key) => {}
            // It would speak plain http to whatever place another setting names.
            AzureConfigKey::UseEmulator => {}
            key => settings = settings.with_config(key, value),
        }
    }
    if let Some(endpoint) = environment.get("IDENTITY_ENDPOINT") {
        settings = settings.with_msi_endpoint(endpoint);
    }
    let client = settings.with_container_name(container).build();
    Ok(Arc::new(client.map_err(ObjectError::settings)?))
}

/// `environment` with what its connection string says, which then says all of it: a key for one
/// account is not used with another.
fn with_connection(environment: &Environment) -> Result<Environment, ObjectError> {
    let mut whole = environment.clone();
    let Some(connection) = environment.get(CONNECTION) else {
        return Ok(whole);
    };
    // The text is a secret, and is not repeated.
    let refuse = |why: &'static str| Err(ObjectError::settings(format!("{CONNECTION} {why}")));
    let mut scheme = "https";
    let mut suffix = "core.windows.net";
    let (mut account, mut key, mut endpoint, mut token) = (None, None, None, None);
    for part in connection.split(';').map(str::trim) {
        match part.split_once('=') {
            Some(("AccountName", value)) => account = Some(value),
            Some(("AccountKey", value)) => key = Some(value),
            Some(("SharedAccessSignature", value)) => token = Some(value),
            Some(("BlobEndpoint", value)) => endpoint = Some(value.trim_end_matches('/')),
            Some(("EndpointSuffix", value)) => suffix = value,
            Some(("DefaultEndpointsProtocol", value)) => scheme = value,
            Some((other, _)) if other.ends_with("Endpoint") => {}
            None if part.is_empty() => {}
            _ => return refuse("has a part that is not known"),
        }
    }
    // What only names an endpoint has the account at its beginning.
    let host = endpoint.and_then(|url| url.split_once("://")?.1.split_once('.'));
    let Some(account) = account.or(host.map(|(account, _)| account)) else {
        return refuse("names no account");
    };
    if key.is_some() == token.is_some() {
        return refuse("needs either AccountKey or SharedAccessSignature");
    }
    let endpoint = match endpoint {
        Some(endpoint) => endpoint.to_owned(),
        None => format!("{scheme}://{account}.blob.{suffix}"),
    };
    whole.remove_all(|name| name.starts_with("AZURE_STORAGE_"));
    whole.add("AZURE_STORAGE_ACCOUNT_NAME", account);
    whole.add("AZURE_STORAGE_ENDPOINT", &endpoint);
    if let Some(key) = key {
        whole.add("AZURE_STORAGE_ACCOUNT_KEY", key);
    }
    if let Some(token) = token {
        whole.add("AZURE_STORAGE_SAS_TOKEN", token);
    }
    Ok(whole)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(connection: &str) -> Result<Environment, ObjectError> {
        with_connection(&Environment::new([
            (CONNECTION.to_owned(), connection.to_owned()),
            (
                "AZURE_STORAGE_ACCOUNT_KEY".to_owned(),
                "b3RoZXI=".to_owned(),
            ),
        ]))
    }

    #[test]
    fn a_connection_string_says_all_of_it() {
        let read = read("DefaultEndpointsProtocol=https;AccountName=a;AccountKey=a2V5PT0=;EndpointSuffix=core.chinacloudapi.cn")
            .expect("it is whole");
        assert_eq!(read.get("AZURE_STORAGE_ACCOUNT_KEY"), Some("a2V5PT0="));
        assert_eq!(
            read.get("AZURE_STORAGE_ENDPOINT"),
            Some("https://a.blob.core.chinacloudapi.cn")
        );
        let token = self::read(
            "BlobEndpoint=https://a.blob.core.windows.net/;SharedAccessSignature=sv=1&sig=x%3D",
        )
        .expect("it is whole");
        assert_eq!(token.get("AZURE_STORAGE_ACCOUNT_NAME"), Some("a"));
        assert_eq!(token.get("AZURE_STORAGE_ACCOUNT_KEY"), None);
        assert_eq!(token.get("AZURE_STORAGE_SAS_TOKEN"), Some("sv=1&sig=x%3D"));
    }

    #[test]
    fn half_a_connection_string_is_refused_and_not_repeated() {
        for half in [
            "secret",
            "AccountName=a",
            "AccountKey=c2VjcmV0",
            "AccountName=a;AccountKey=c2VjcmV0;SharedAccessSignature=secret",
            "AccountName=a;AccountKey=c2VjcmV0;Sekret=secret",
        ] {
            let error = read(half).map(drop).expect_err(half);
            assert!(matches!(error, ObjectError::Settings(_)), "{half}");
            assert!(!error.to_string().contains("secret"), "{error}");
        }
        let far =
            read("DefaultEndpointsProtocol=http;AccountName=a;AccountKey=a2V5").expect("whole");
        let spoken = far.connection(&ENDPOINTS, "AZURE_ALLOW_HTTP");
        assert!(matches!(spoken, Err(ObjectError::PlainHttp { .. })));
    }
}
