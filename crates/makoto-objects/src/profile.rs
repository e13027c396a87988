//! The files `~/.aws/credentials` and `~/.aws/config`, where other programs keep settings of S3.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use makoto::limits::Limits;

use crate::environment::Environment;
use crate::error::ObjectError;

/// Settings of one profile.
type Profile = BTreeMap<String, String>;

/// What proves who we are. They belong together, and are taken together or not at all.
const CREDENTIALS: [(&str, &str); 6] = [
    ("aws_access_key_id", "AWS_ACCESS_KEY_ID"),
    ("aws_secret_access_key", "AWS_SECRET_ACCESS_KEY"),
    ("aws_session_token", "AWS_SESSION_TOKEN"),
    ("web_identity_token_file", "AWS_WEB_IDENTITY_TOKEN_FILE"),
    ("role_arn", "AWS_ROLE_ARN"),
    ("role_session_name", "AWS_ROLE_SESSION_NAME"),
];

/// Ways to credentials that another program must go.
const NOT_READ: [&str; 5] = [
    "credential_process",
    "sso_session",
    "sso_start_url",
    "source_profile",
    "credential_source",
];

/// `environment` with what the profile `AWS_PROFILE`, else `default`, adds to it. What the
/// environment says stands.
///
/// # Errors
/// [`ObjectError::Settings`] for a file that cannot be read, a profile that was asked for and is
/// in neither, and one whose credentials another program would have to get.
pub(crate) fn complete(environment: &Environment) -> Result<Environment, ObjectError> {
    let mut whole = environment.clone();
    let asked = environment.get("AWS_PROFILE");
    let name = asked.unwrap_or("default");
    let mut profile = Profile::new();
    let mut is_there = false;
    // Credentials in the file of credentials stand before those in the other.
    for (setting, file) in [
        ("AWS_CONFIG_FILE", ".aws/config"),
        ("AWS_SHARED_CREDENTIALS_FILE", ".aws/credentials"),
    ] {
        let named = environment.get(setting).map(PathBuf::from);
        let home = || Some(Path::new(environment.get("HOME")?).join(file));
        let Some(path) = named.or_else(home) else {
            continue;
        };
        if let Some(found) = section(&read(&path)?, name) {
            is_there = true;
            profile.extend(found);
        }
    }
    if let (Some(asked), false) = (asked, is_there) {
        return refuse(format!("there is no profile {asked:?} in the files of AWS"));
    }
    for (key, setting, others) in [
        ("region", "AWS_REGION", &["AWS_DEFAULT_REGION"][..]),
        (
            "endpoint_url",
            "AWS_ENDPOINT_URL",
            &["AWS_ENDPOINT", "AWS_ENDPOINT_URL_S3"],
        ),
    ] {
        if let Some(value) = profile.get(key)
            && others.iter().all(|other| environment.get(other).is_none())
        {
            whole.add(setting, value);
        }
    }
    let has_own = CREDENTIALS
        .iter()
        .any(|(_, setting)| environment.get(setting).is_some());
    if has_own {
        return Ok(whole);
    }
    let has = |key: &str| profile.contains_key(key);
    let is_whole = has("aws_access_key_id") && has("aws_secret_access_key")
        || has("web_identity_token_file") && has("role_arn");
    if let (Some(way), false) = (NOT_READ.iter().find(|way| has(way)), is_whole) {
        return refuse(format!(
            "profile {name:?} gets its credentials by {way:?}, which is not done here"
        ));
    }
    for (key, setting) in CREDENTIALS {
        if let Some(value) = profile.get(key) {
            whole.add(setting, value);
        }
    }
    Ok(whole)
}

fn refuse<T>(why: String) -> Result<T, ObjectError> {
    Err(ObjectError::settings(why))
}

/// The text of a file, which need not be there.
fn read(path: &Path) -> Result<String, ObjectError> {
    let limit = Limits::DEFAULT.toml_bytes as u64;
    let mut text = String::new();
    let read = File::open(path).and_then(|file| file.take(limit + 1).read_to_string(&mut text));
    match read {
        Ok(count) if count as u64 > limit => {
            refuse(format!("{} is larger than {limit} bytes", path.display()))
        }
        Ok(_) => Ok(text),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(text),
        Err(error) => refuse(format!("{}: {error}", path.display())),
    }
}

/// What `text` says under `[name]` or `[profile name]`. A later line stands before an earlier.
fn section(text: &str, name: &str) -> Option<Profile> {
    let mut found: Option<Profile> = None;
    let mut is_ours = false;
    for line in text.lines() {
        // What is set in belongs to the setting above, of which there is none that is ours.
        if line.starts_with([' ', '\t', '#', ';']) {
            continue;
        }
        if let Some(head) = line.trim_end().strip_prefix('[') {
            let head = head.split(']').next().unwrap_or_default().trim();
            let named = head.strip_prefix("profile ").map_or(head, str::trim_start);
            is_ours = named == name;
            if is_ours {
                found.get_or_insert_default();
            }
        } else if let (true, Some((key, value))) = (is_ours, line.split_once('=')) {
            let value = value.split(" #").next().unwrap_or_default().trim();
            found
                .get_or_insert_default()
                .insert(key.trim().to_ascii_lowercase(), value.to_owned());
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONFIG: &str = "[default]\nregion = eu-west-1\n[profile lab]\nregion=us-east-1 # near\n\
                          s3 =\n  endpoint_url = http://nested\nendpoint_url = https://lab\n\
                          [profile runs]\ncredential_process = /bin/other\n";
    const KEYS: &str = "# ours\n[default]\naws_access_key_id = AD\naws_secret_access_key = SD\n\
                        [lab]\naws_access_key_id=AL\naws_secret_access_key=S=L\n";

    /// The settings that a process would have with `settings` and the two files.
    fn with(settings: &[(&str, &str)]) -> Result<Environment, ObjectError> {
        let folder = tempfile::tempdir().expect("a folder");
        let aws = folder.path().join(".aws");
        std::fs::create_dir(&aws).expect("a folder");
        std::fs::write(aws.join("config"), CONFIG).expect("written");
        std::fs::write(aws.join("credentials"), KEYS).expect("written");
        let home = folder.path().display().to_string();
        let settings = [&[("HOME", home.as_str())], settings].concat();
        let settings = settings.iter();
        complete(&Environment::new(
            settings.map(|(key, value)| ((*key).to_owned(), (*value).to_owned())),
        ))
    }

    #[test]
    fn a_profile_completes_the_environment() {
        let default = with(&[]).expect("whole");
        assert_eq!(default.get("AWS_ACCESS_KEY_ID"), Some("AD"));
        assert_eq!(default.get("AWS_REGION"), Some("eu-west-1"));
        let lab = with(&[("AWS_PROFILE", "lab")]).expect("whole");
        assert_eq!(lab.get("AWS_SECRET_ACCESS_KEY"), Some("S=L"));
        assert_eq!(lab.get("AWS_REGION"), Some("us-east-1"));
        assert_eq!(lab.get("AWS_ENDPOINT_URL"), Some("https://lab"));
    }

    #[test]
    fn credentials_of_two_places_are_never_mixed() {
        for own in [
            "AWS_ACCESS_KEY_ID",
            "AWS_WEB_IDENTITY_TOKEN_FILE",
            "AWS_SESSION_TOKEN",
        ] {
            let mixed = with(&[(own, "mine"), ("AWS_PROFILE", "lab")]).expect("whole");
            assert_eq!(mixed.get(own), Some("mine"));
            assert_eq!(mixed.get("AWS_SECRET_ACCESS_KEY"), None, "{own}");
        }
        let region = with(&[("AWS_DEFAULT_REGION", "mine")]).expect("whole");
        assert_eq!(region.get("AWS_REGION"), None);
    }

    #[test]
    fn a_profile_that_is_not_there_or_runs_a_program_is_refused() {
        for (profile, why) in [
            ("other", "no profile \"other\""),
            ("runs", "credential_process"),
        ] {
            let error = with(&[("AWS_PROFILE", profile)])
                .map(drop)
                .expect_err(profile);
            assert!(error.to_string().contains(why), "{error}");
        }
        let own = [("AWS_PROFILE", "runs"), ("AWS_ACCESS_KEY_ID", "mine")];
        assert!(with(&own).is_ok());
    }
}
