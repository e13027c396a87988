//! Attestation files: one statement, envelope or bundle, or several as JSON Lines.

use crate::datetime::DateTime;
use crate::digest::Digest;
use crate::envelope::{Envelope, EnvelopeError, is_raw_signature};
use crate::json::{Fault, Json, ReadError};
use crate::limits::Limits;
use crate::predicate::PredicateType;

/// A statement as it was found. Its form was not checked, and no signature was verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attestation {
    /// Digest of the statement's bytes as signed; of an unsigned one, as found (FORMATS §1).
    pub id: Digest,
    /// The statement as JSON.
    pub statement: Json,
    /// The envelope around it, in which nothing is verified; `None` when it is bare.
    pub envelope: Option<Box<Envelope>>,
}

/// What a reference to an attestation by its id starts with.
const REFERENCE: &str = "urn:makoto:attestation:sha256:";

/// What stands before the id in the URL of an attestation in a registry.
const REGISTRY_PATH: &str = "/attestations/id/sha256:";

/// Why a file holds no attestation.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AttestationError {
    /// It is not JSON.
    #[error("{0}")]
    NotJson(#[from] ReadError),
    /// One of its lines is not JSON.
    #[error("line {line} of the attestation file: {error}")]
    Line {
        /// Number of the line, from 1.
        line: usize,
        /// What is wrong with it.
        error: Box<AttestationError>,
    },
    /// It is an envelope that holds no statement.
    #[error("{0}")]
    Envelope(#[from] EnvelopeError),
    /// The payload of an envelope is not JSON.
    #[error("payload of the envelope: {0}")]
    Payload(ReadError),
    /// Its lines together hold more than a reader takes on.
    #[error("the lines of the attestation file hold more than {0} values together")]
    TooMany(usize),
}

impl Attestation {
    /// Reads one document: a bare statement, a DSSE envelope or a Sigstore bundle.
    ///
    /// # Errors
    /// [`AttestationError`] when it is not JSON (V1), or an envelope of something else.
    pub fn parse(bytes: &[u8]) -> Result<Self, AttestationError> {
        let value =
            Json::parse(bytes, &Limits::DEFAULT).map_err(|error| {
                match is_raw_signature(bytes) {
                    true => EnvelopeError::RawSignature.into(),
                    false => AttestationError::NotJson(error),
                }
            })?;
        match Envelope::find(&value) {
            None => Ok(Self {
                // White space around a statement is not part of it: the id must be the same
                // when it becomes one line of several.
                id: Digest::of(bytes.trim_ascii()),
                statement: value,
                envelope: None,
            }),
            Some(envelope) => {
                let envelope = envelope?;
                let statement = Json::parse(&envelope.unverified_payload, &Limits::DEFAULT)
                    .map_err(AttestationError::Payload)?;
                Ok(Self {
                    id: Digest::of(&envelope.unverified_payload),
                    statement,
                    envelope: Some(Box::new(envelope)),
                })
            }
        }
    }

    /// Signatures around it, none of them verified; `None` when it has no envelope.
    pub fn unverified_signatures(&self) -> Option<usize> {
        let envelope = self.envelope.as_ref()?;
        Some(envelope.unverified_signatures.len())
    }

    /// How many values of JSON it keeps: of the statement, and of the log entries around it.
    pub fn values(&self) -> usize {
        let envelope = self.envelope.iter();
        let entries = envelope.flat_map(|envelope| &envelope.unverified_log_entries);
        self.statement.count() + entries.map(Json::count).sum::<usize>()
    }

    /// Reads an attestation file: one document, or several as JSON Lines.
    ///
    /// # Errors
    /// As [`Attestation::parse`]; one bad line refuses the file.
    pub fn parse_file(bytes: &[u8]) -> Result<Vec<Self>, AttestationError> {
        let documents = Self::documents(bytes)?;
        Ok(documents.into_iter().map(|(_, one)| one).collect())
    }

    /// As [`Attestation::parse_file`], each with its bytes in the file.
    ///
    /// # Errors
    /// As [`Attestation::parse_file`].
    pub fn documents(bytes: &[u8]) -> Result<Vec<(&[u8], Self)>, AttestationError> {
        match Self::parse(bytes) {
            Ok(attestation) => Ok(vec![(bytes.trim_ascii(), attestation)]),
            // A file of many lines may be longer than one document may be.
            Err(AttestationError::NotJson(error))
                if matches!(error.fault, Fault::TrailingBytes | Fault::TooLarge(_))
                    && bytes.trim_ascii().contains(&b'\n') =>
            {
                Self::parse_lines(bytes)
            }
            Err(error) => Err(error),
        }
    }

    /// The URI by which other statements refer to this one.
    pub fn reference(&self) -> String {
        Self::reference_to(&self.id)
    }

    /// The URI by which statements refer to the one with this id (FORMATS §1).
    pub fn reference_to(id: &Digest) -> String {
        format!("{REFERENCE}{id}")
    }

    /// The id that a reference names: of our URN, or of a registry URL that ends in
    /// `/attestations/id/sha256:<hex>`. `None` for any other, which pins no bytes.
    pub fn pinned_id(reference: &str) -> Option<Digest> {
        let hex = match reference.strip_prefix(REFERENCE) {
            Some(hex) => hex,
            None => reference.rsplit_once(REGISTRY_PATH)?.1,
        };
        hex.parse().ok()
    }

    /// SHA-256 of each subject that gives one. As the rest of the statement, a claim.
    pub fn subjects(&self) -> impl Iterator<Item = Digest> {
        digests(self.statement.get("subject"))
    }

    /// SHA-256 of each input that a transform lists; none of another statement.
    pub fn inputs(&self) -> impl Iterator<Item = Digest> {
        let kind = self.statement.get("predicateType").and_then(Json::as_str);
        let predicate = self.statement.get("predicate");
        let transform = predicate.filter(|_| kind == Some(PredicateType::Transform.url()));
        digests(transform.and_then(|predicate| predicate.get("inputs")))
    }

    /// When the statement says that the data was collected or made, or the window closed. A
    /// claim, which serves to put statements in an order that is the same everywhere.
    pub fn stated_time(&self) -> Option<DateTime> {
        const PLACES: [&[&str]; 3] = [
            &["predicate", "origin", "collectionTimestamp"],
            &["predicate", "metadata", "finishedOn"],
            &["predicate", "metadata", "startedOn"],
        ];
        let at = |place: &&[&str]| {
            let mut place = place.iter();
            let value = place.try_fold(&self.statement, |value, key| value.get(key))?;
            DateTime::parse(value.as_str()?).ok()
        };
        let window_end = || {
            let subject = self.statement.get("subject")?.as_array()?.first()?;
            let end = subject.get("digest")?.get("windowEnd")?.as_str()?;
            DateTime::parse(end).ok()
        };
        PLACES.iter().find_map(at).or_else(window_end)
    }

    fn parse_lines(bytes: &[u8]) -> Result<Vec<(&[u8], Self)>, AttestationError> {
        let lines = bytes.split(|byte| *byte == b'\n').enumerate();
        let most = Limits::DEFAULT.sidecar_values;
        let mut values = 0;
        lines
            .filter(|(_, line)| !line.iter().all(u8::is_ascii_whitespace))
            .map(|(index, line)| {
                let attestation = Self::parse(line).map_err(|error| AttestationError::Line {
                    line: index + 1,
                    error: Box::new(error),
                })?;
                values += attestation.values();
                if values > most {
                    return Err(AttestationError::TooMany(most));
                }
                Ok((line.trim_ascii(), attestation))
            })
            .collect()
    }
}

/// The `digest.sha256` of each resource descriptor in an array.
fn digests(descriptors: Option<&Json>) -> impl Iterator<Item = Digest> {
    let descriptors = descriptors.and_then(Json::as_array).unwrap_or_default();
    let digest = |one: &Json| one.get("digest")?.get("sha256")?.as_str()?.parse().ok();
    descriptors.iter().filter_map(digest)
}

#[cfg(test)]
mod tests {
    use super::*;

    const STATEMENT: &str = r#"{"a":"ü"}"#;

    #[test]
    fn the_id_is_that_of_the_payload_however_it_is_wrapped() {
        let bare = Attestation::parse(STATEMENT.as_bytes()).expect("good");
        assert_eq!(bare.unverified_signatures(), None);
        let envelope = r#"{"payloadType":"application/vnd.in-toto+json","payload":"eyJhIjoiw7wifQ==","signatures":[{"sig":"AA=="}]}"#;
        let bundle = format!(
            r#"{{"mediaType":"application/vnd.dev.sigstore.bundle.v0.3+json","dsseEnvelope":{envelope}}}"#
        );
        for wrapped in [envelope, &bundle] {
            let wrapped = Attestation::parse(wrapped.as_bytes()).expect("good");
            assert_eq!(
                (wrapped.id, wrapped.unverified_signatures()),
                (bare.id, Some(1))
            );
            assert_eq!(wrapped.statement, bare.statement);
        }
        for (from, to) in [
            ("eyJhIjoiw7wifQ==", "eyJhIjoiw7wifQ"),
            ("eyJhIjoiw7wifQ==", "eyJhIjoiw7wifR=="),
            ("eyJhIjoiw7wifQ==", "eyJh IjoiwifQ=="),
            ("eyJhIjoiw7wifQ==", "-_+/"),
            ("vnd.in-toto+json", "json"),
            ("[{\"sig\":\"AA==\"}]", "{}"),
        ] {
            let bad = envelope.replace(from, to);
            assert!(matches!(
                Attestation::parse(bad.as_bytes()),
                Err(AttestationError::Envelope(_))
            ));
        }
        let blob = Attestation::parse(br#"{"messageSignature":{}}"#);
        assert!(matches!(
            blob,
            Err(AttestationError::Envelope(EnvelopeError::MessageSignature))
        ));
    }

    #[test]
    fn only_references_that_hold_an_id_are_pinned() {
        let id = Digest::of(b"statement");
        let urn = Attestation::reference_to(&id);
        let url = format!("https://registry.example/attestations/id/sha256:{id}");
        for pinned in [&urn, &url] {
            assert_eq!(Attestation::pinned_id(pinned), Some(id), "{pinned}");
        }
        for near in [
            urn.to_uppercase(),
            format!("{urn}#x"),
            format!("{url}/"),
            url.replace("/id", ""),
            url.replace("sha256:", ""),
            "https://attestations.example.com/origin/abc".to_owned(),
        ] {
            assert_eq!(Attestation::pinned_id(&near), None, "{near}");
        }
    }

    #[test]
    fn several_statements_are_json_lines_and_each_must_be_good() {
        let two = format!("{STATEMENT}\n{{\"b\":1}}\n");
        let ids: Vec<_> = Attestation::parse_file(two.as_bytes())
            .expect("good")
            .iter()
            .map(|attestation| attestation.id)
            .collect();
        assert_eq!(
            ids,
            [Digest::of(STATEMENT.as_bytes()), Digest::of(b"{\"b\":1}")]
        );
        let alone = Attestation::parse_file(format!("{STATEMENT}\n").as_bytes()).expect("good");
        assert_eq!(
            alone[0].id, ids[0],
            "the id does not depend on its neighbours"
        );
        let bad = format!("{STATEMENT}\n{{\"b\":1,}}\n");
        assert!(matches!(
            Attestation::parse_file(bad.as_bytes()),
            Err(AttestationError::Line { line: 2, .. })
        ));
        assert!(Attestation::parse(two.as_bytes()).is_err());
    }

    #[test]
    fn log_entries_count_towards_the_values_of_a_file() {
        let empty = "[],".repeat(900_000);
        let line = format!(
            r#"{{"mediaType":"application/vnd.dev.sigstore.bundle.v0.3+json","verificationMaterial":{{"tlogEntries":[[{empty}[]]]}},"dsseEnvelope":{{"payloadType":"application/vnd.in-toto+json","payload":"eyJhIjoiw7wifQ==","signatures":[{{"sig":"AA=="}}]}}}}"#
        );
        let lines =
            |count: usize| Attestation::parse_file([&*line].repeat(count).join("\n").as_bytes());
        assert_eq!(lines(2).expect("good").len(), 2);
        assert!(matches!(lines(5), Err(AttestationError::TooMany(_))));
    }
}
