//! Clients of Google Cloud Storage.

use std::sync::Arc;

use object_store::ObjectStore;
use object_store::gcp::{GoogleCloudStorageBuilder, GoogleConfigKey};

use crate::environment::{Environment, may_be_set, retry};
use crate::error::ObjectError;

/// What other programs call a server that stands for the real one. Nobody logs in to it.
const EMULATOR: &str = "STORAGE_EMULATOR_HOST";

/// A client of `bucket` with the settings `GOOGLE_…` of an environment.
pub(crate) fn client(
    environment: &Environment,
    bucket: &str,
) -> Result<Arc<dyn ObjectStore>, ObjectError> {
    let options = environment.connection(&["GOOGLE_BASE_URL", EMULATOR], "GOOGLE_ALLOW_HTTP")?;
    let mut settings = GoogleCloudStorageBuilder::new()
        .with_client_options(options)
        .with_retry(retry());
    for (key, value) in environment.keys("GOOGLE_") {
        match key {
            GoogleConfigKey::Client(key) if !may_be_set(&key) => {}
            key => settings = settings.with_config(key, value),
        }
    }
    if let Some(emulator) = environment.get(EMULATOR) {
        let url = match emulator.contains("://") {
            true => emulator.to_owned(),
            false => format!("http://{emulator}"),
        };
        settings = settings.with_base_url(&url).with_skip_signature(true);
        // Else a token would be got for writing all the same.
        settings = settings.with_bearer_token("");
    }
    let client = settings.with_bucket_name(bucket).build();
    Ok(Arc::new(client.map_err(ObjectError::settings)?))
}
