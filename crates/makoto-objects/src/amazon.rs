//! Clients of S3 and of stores that speak its protocol.

use std::sync::Arc;

use object_store::ObjectStore;
use object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey};

use crate::environment::{Environment, may_be_set, retry};
use crate::error::ObjectError;
use crate::profile;

/// Settings that say where requests go.
const ENDPOINTS: [&str; 4] = [
    "AWS_ENDPOINT_URL",
    "AWS_ENDPOINT_URL_S3",
    "AWS_ENDPOINT",
    "AWS_ENDPOINT_URL_STS",
];

/// A client of `bucket` with the settings `AWS_…` of an environment, completed by the profile
/// that it names.
pub(crate) fn client(
    environment: &Environment,
    bucket: &str,
) -> Result<Arc<dyn ObjectStore>, ObjectError> {
    let environment = profile::complete(environment)?;
    let options = environment.connection(&ENDPOINTS, "AWS_ALLOW_HTTP")?;
    let mut settings = AmazonS3Builder::new()
        .with_client_options(options)
        .with_retry(retry());
    for (key, value) in environment.keys("AWS_") {
        match key {
            AmazonS3ConfigKey::Client(key) if !may_be_set(&key) => {}
            key => settings = settings.with_config(key, value),
        }
    }
    let client = settings.with_bucket_name(bucket).build();
    Ok(Arc::new(client.map_err(ObjectError::settings)?))
}
