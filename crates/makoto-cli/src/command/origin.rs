use std::path::PathBuf;

use clap::{Args, ValueEnum};
use makoto::datetime::DateTime;
use makoto::predicate::PredicateType;
use makoto::secret::Masker;
use makoto::statement::Times;

use super::Output;
use super::attest::{WriteArgs, key_value, string_map};
use crate::clock;
use crate::dataset::{BadRecords, Measured, RecordArgs};
use crate::defaults::{ConfigArgs, Defaults, Value};
use crate::draft::Draft;
use crate::failure::Failure;
use crate::screen;
use crate::writing::Writing;

/// Attest where a file or folder was collected
///
/// Hashes the data in one pass, counts its records where the format has any, and writes an
/// origin/v1 statement to DATA.attestation. Doing the same again changes nothing.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  makoto attest origin orders.csv --source https://erp.example.com/orders --collector etl/orders
  makoto attest origin readings.jsonl.gz --source mqtt://plant/+/temperature --collector edge-07 \\
      --source-type stream --method push --geography DE --license CC-BY-4.0
  makoto attest origin parts/ --source s3://bucket/parts --collector nightly")]
pub(crate) struct Origin {
    /// The file or folder
    data: PathBuf,

    /// URI or identifier of the source; needed here or in a makoto.toml
    #[arg(long, value_name = "URI")]
    source: Option<String>,

    /// Identifier of the collecting system or process; needed here or in a makoto.toml
    #[arg(long, value_name = "ID")]
    collector: Option<String>,

    /// Name of the dataset [default: dataset:<file stem>]
    #[arg(long)]
    name: Option<String>,

    /// Type of source
    #[arg(long, value_enum)]
    source_type: Option<SourceTypeArg>,

    /// How the data was obtained
    #[arg(long, value_enum)]
    method: Option<MethodArg>,

    /// When it was collected (RFC 3339) [default: now, or SOURCE_DATE_EPOCH]
    #[arg(long, value_name = "TIME")]
    collected_at: Option<String>,

    /// Where it was collected or is stored
    #[arg(long, value_name = "PLACE")]
    geography: Option<String>,

    #[command(flatten)]
    consent: ConsentArgs,

    #[command(flatten)]
    collector_facts: CollectorArgs,

    #[command(flatten)]
    schema: SchemaArgs,

    #[command(flatten)]
    dta: DtaArgs,

    #[command(flatten)]
    figures: FigureArgs,

    #[command(flatten)]
    records: RecordArgs,

    #[command(flatten)]
    write: WriteArgs,

    #[command(flatten)]
    config: ConfigArgs,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum SourceTypeArg {
    Api,
    Database,
    File,
    Stream,
    Manual,
    Sensor,
    Other,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum MethodArg {
    Pull,
    Push,
    Export,
    Manual,
    ScheduledPull,
    EventDriven,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Consent")]
struct ConsentArgs {
    /// Legal ground of the collection, such as `contractual` or `legitimate-interest`
    #[arg(long, value_name = "TYPE")]
    consent: Option<String>,

    /// Document that gives it
    #[arg(long, value_name = "URI", requires = "consent")]
    consent_reference: Option<String>,

    /// When it was obtained (RFC 3339)
    #[arg(long, value_name = "TIME", requires = "consent")]
    consent_obtained: Option<String>,

    /// When it ends (RFC 3339)
    #[arg(long, value_name = "TIME", requires = "consent")]
    consent_expires: Option<String>,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Collector")]
struct CollectorArgs {
    /// Version of a component of the collector (repeatable)
    #[arg(long, value_name = "NAME=VERSION", value_parser = key_value)]
    collector_version: Vec<(String, String)>,

    /// Where the collector runs: production, staging, development or test
    #[arg(long, value_name = "ENV")]
    environment: Option<String>,

    /// Platform that hosts the collector
    #[arg(long)]
    platform: Option<String>,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Schema")]
struct SchemaArgs {
    /// Name of the data's format, such as `csv`
    #[arg(long, value_name = "NAME")]
    schema_format: Option<String>,

    /// Where the schema is
    #[arg(long, value_name = "URI")]
    schema_ref: Option<String>,

    /// SHA-256 of the schema
    #[arg(long, value_name = "HEX")]
    schema_digest: Option<String>,

    /// Version of the schema
    #[arg(long, value_name = "VERSION")]
    schema_version: Option<String>,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Data & Trust Alliance standards")]
struct DtaArgs {
    /// Licence of the data, such as an SPDX identifier
    #[arg(long)]
    license: Option<String>,

    /// Version of the standards
    #[arg(long, value_name = "VERSION")]
    dta_version: Option<String>,

    /// Title of the dataset
    #[arg(long, value_name = "TEXT")]
    dta_title: Option<String>,

    /// Who issues the dataset
    #[arg(long, value_name = "TEXT")]
    dta_issuer: Option<String>,

    /// What the dataset is
    #[arg(long, value_name = "TEXT")]
    dta_description: Option<String>,

    /// Where the data comes from
    #[arg(long, value_name = "TEXT")]
    dta_geography: Option<String>,

    /// How the data was made
    #[arg(long, value_name = "TEXT")]
    dta_method: Option<String>,

    /// Format of the data
    #[arg(long, value_name = "TEXT")]
    dta_format: Option<String>,

    /// Confidentiality: public, internal, confidential or restricted
    #[arg(long, value_name = "CLASS")]
    dta_confidentiality: Option<String>,

    /// What the data may be used for
    #[arg(long, value_name = "TEXT")]
    dta_use: Option<String>,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Figures")]
struct FigureArgs {
    /// How long the collection took (ISO 8601, such as PT45M)
    #[arg(long, value_name = "DURATION")]
    collection_duration: Option<String>,

    /// Records that were dropped
    #[arg(long, value_name = "COUNT")]
    records_dropped: Option<u64>,
}

impl Origin {
    pub(crate) fn run(&self, output: Output) -> Result<u8, Failure> {
        let stamp = clock::stamp()?;
        self.write
            .refuse_collisions(&[], std::slice::from_ref(&self.data))?;
        let defaults = Defaults::find(&self.config, &self.data)?;
        let said = self.said(&defaults)?;
        let data = Measured::read(&self.data, &self.records, BadRecords::Refuse)?;
        let mut draft = self.draft(&data, &stamp);
        for (path, value) in said {
            draft.set_value(&path, value);
        }
        let name = defaults.name(self.name.as_deref(), data.manifest.is_some())?;
        let subjects = vec![data.subject(&name.text)];
        draft.came_from("subject[0].name".to_owned(), name);
        let finished = draft.finish(PredicateType::Origin, subjects, Masker::new())?;
        if self.collected_at.is_none() && clock::is_read() {
            warn_of_old_data(&data, &stamp);
        }
        let writing = Writing {
            args: &self.write,
            times: match self.collected_at {
                Some(_) => Times::Compare,
                None => Times::Ignore,
            },
            output,
        };
        writing.write(&[data], &finished)?;
        Ok(0)
    }

    /// What was typed or else stands in a `makoto.toml`, by its path in the statement.
    fn said(&self, defaults: &Defaults) -> Result<Vec<(String, Option<Value>)>, Failure> {
        let source = defaults.needed("source", self.source.as_deref(), "--source URI")?;
        let collector =
            defaults.needed("collector", self.collector.as_deref(), "--collector ID")?;
        let source_type = defaults.word("source-type", self.source_type)?;
        let method = defaults.word("method", self.method)?;
        let facts = &self.collector_facts;
        let mut said: Vec<_> = [
            ("origin.source", Some(source)),
            ("origin.sourceType", source_type),
            ("origin.collectionMethod", method),
            (
                "origin.geography",
                defaults.value("geography", self.geography.as_deref()),
            ),
            ("collector.id", Some(collector)),
            (
                "collector.environment",
                defaults.value("environment", facts.environment.as_deref()),
            ),
            (
                "collector.platform",
                defaults.value("platform", facts.platform.as_deref()),
            ),
            (
                "dtaCompliance.useStandard.license",
                defaults.value("licence", self.dta.license.as_deref()),
            ),
        ]
        .map(|(path, value)| (path.to_owned(), value))
        .into();
        let typed = &self.consent;
        for (key, value) in [
            ("consent.type", &typed.consent),
            ("consent.reference", &typed.consent_reference),
            ("consent.obtained", &typed.consent_obtained),
            ("consent.expires", &typed.consent_expires),
        ] {
            // A legal ground is one thing: what was typed is not completed by another's parts.
            let value = match typed.consent {
                Some(_) => value.as_deref().map(|value| Value::typed(key, value)),
                None => defaults.value(key, None),
            };
            said.push((format!("origin.{key}"), value));
        }
        Ok(said)
    }

    fn draft(&self, data: &Measured, stamp: &DateTime) -> Draft {
        let mut draft = Draft::default();
        let collected_at = self.collected_at.as_deref().unwrap_or(stamp.as_str());
        draft.set("origin.collectionTimestamp", Some(collected_at));
        draft.set(
            "collector.version",
            string_map(&self.collector_facts.collector_version),
        );
        draft.set("schema.format", self.schema.schema_format.as_deref());
        draft.set("schema.schemaRef", self.schema.schema_ref.as_deref());
        draft.set(
            "schema.schemaDigest.sha256",
            self.schema.schema_digest.as_deref(),
        );
        draft.set(
            "schema.schemaVersion",
            self.schema.schema_version.as_deref(),
        );
        draft.set("metadata.bytesCollected", Some(data.bytes));
        draft.set(
            "metadata.recordsCollected",
            data.records.as_ref().map(|(_, r)| r.count),
        );
        draft.set("metadata.recordsDropped", self.figures.records_dropped);
        draft.set(
            "metadata.collectionDuration",
            self.figures.collection_duration.as_deref(),
        );
        let dta = &self.dta;
        for (path, value) in [
            ("standardsVersion", &dta.dta_version),
            ("sourceStandard.datasetTitle", &dta.dta_title),
            ("sourceStandard.datasetIssuer", &dta.dta_issuer),
            ("sourceStandard.description", &dta.dta_description),
            ("provenanceStandard.dataOriginGeography", &dta.dta_geography),
            ("provenanceStandard.method", &dta.dta_method),
            ("provenanceStandard.dataFormat", &dta.dta_format),
            (
                "useStandard.confidentialityClassification",
                &dta.dta_confidentiality,
            ),
            ("useStandard.intendedDataUse", &dta.dta_use),
        ] {
            draft.set(&format!("dtaCompliance.{path}"), value.as_deref());
        }
        draft
    }
}

/// An attestation says when data was collected; when that is long after the data was written,
/// the producer should say so (P1, timing).
fn warn_of_old_data(data: &Measured, stamp: &DateTime) {
    const DAY: i64 = 24 * 60 * 60;
    let written = data.fingerprint.map(|state| state.modified_unix());
    if let Some(written) = written.filter(|written| (stamp.unix_seconds() - written).abs() > DAY) {
        let written = DateTime::from_unix(written).map_or(String::new(), |t| t.to_string());
        screen::note(format!(
            "note: the data was last written at {written}, more than a day from the collection \
             time {stamp}; --collected-at gives the real one"
        ));
    }
}
