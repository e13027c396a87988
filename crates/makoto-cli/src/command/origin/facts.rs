//! What is said of a collection: the options for it, and where they stand in the statement.

use clap::{Args, ValueEnum};
use makoto::datetime::DateTime;

use super::{Origin, Said};
use crate::command::attest::{key_value, string_map};
use crate::dataset::Measured;
use crate::defaults::{Defaults, Value};
use crate::draft::Draft;
use crate::failure::Failure;

#[derive(Debug, Clone, Copy, ValueEnum)]
pub(super) enum SourceTypeArg {
    Api,
    Database,
    File,
    Stream,
    Manual,
    Sensor,
    Other,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub(super) enum MethodArg {
    Pull,
    Push,
    Export,
    Manual,
    ScheduledPull,
    EventDriven,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Consent")]
pub(super) struct ConsentArgs {
    /// Legal ground of the collection, such as `contractual` or `legitimate-interest`
    #[arg(long, value_name = "TYPE")]
    pub(super) consent: Option<String>,

    /// Document that gives it
    #[arg(long, value_name = "URI", requires = "consent")]
    pub(super) consent_reference: Option<String>,

    /// When it was obtained (RFC 3339)
    #[arg(long, value_name = "TIME", requires = "consent")]
    pub(super) consent_obtained: Option<String>,

    /// When it ends (RFC 3339)
    #[arg(long, value_name = "TIME", requires = "consent")]
    pub(super) consent_expires: Option<String>,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Collector")]
pub(super) struct CollectorArgs {
    /// Version of a component of the collector (repeatable)
    #[arg(long, value_name = "NAME=VERSION", value_parser = key_value)]
    pub(super) collector_version: Vec<(String, String)>,

    /// Where the collector runs: production, staging, development or test
    #[arg(long, value_name = "ENV")]
    pub(super) environment: Option<String>,

    /// Platform that hosts the collector
    #[arg(long)]
    pub(super) platform: Option<String>,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Schema")]
pub(super) struct SchemaArgs {
    /// Name of the data's format, such as `csv`
    #[arg(long, value_name = "NAME")]
    pub(super) schema_format: Option<String>,

    /// Where the schema is
    #[arg(long, value_name = "URI")]
    pub(super) schema_ref: Option<String>,

    /// SHA-256 of the schema
    #[arg(long, value_name = "HEX")]
    pub(super) schema_digest: Option<String>,

    /// Version of the schema
    #[arg(long, value_name = "VERSION")]
    pub(super) schema_version: Option<String>,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Data & Trust Alliance standards")]
pub(super) struct DtaArgs {
    /// Licence of the data, such as an SPDX identifier
    #[arg(long)]
    pub(super) license: Option<String>,

    /// Version of the standards
    #[arg(long, value_name = "VERSION")]
    pub(super) dta_version: Option<String>,

    /// Title of the dataset
    #[arg(long, value_name = "TEXT")]
    pub(super) dta_title: Option<String>,

    /// Who issues the dataset
    #[arg(long, value_name = "TEXT")]
    pub(super) dta_issuer: Option<String>,

    /// What the dataset is
    #[arg(long, value_name = "TEXT")]
    pub(super) dta_description: Option<String>,

    /// Where the data comes from
    #[arg(long, value_name = "TEXT")]
    pub(super) dta_geography: Option<String>,

    /// How the data was made
    #[arg(long, value_name = "TEXT")]
    pub(super) dta_method: Option<String>,

    /// Format of the data
    #[arg(long, value_name = "TEXT")]
    pub(super) dta_format: Option<String>,

    /// Confidentiality: public, internal, confidential or restricted
    #[arg(long, value_name = "CLASS")]
    pub(super) dta_confidentiality: Option<String>,

    /// What the data may be used for
    #[arg(long, value_name = "TEXT")]
    pub(super) dta_use: Option<String>,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Figures")]
pub(super) struct FigureArgs {
    /// How long the collection took (ISO 8601, such as PT45M)
    #[arg(long, value_name = "DURATION")]
    pub(super) collection_duration: Option<String>,

    /// Records that were dropped
    #[arg(long, value_name = "COUNT")]
    pub(super) records_dropped: Option<u64>,
}

impl Origin {
    /// What was typed or else stands in a `makoto.toml`, by its path in the statement.
    pub(super) fn said(&self, defaults: &Defaults) -> Result<Said, Failure> {
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

    /// What does not come from a `makoto.toml`.
    pub(super) fn draft(&self, data: &Measured, stamp: &DateTime) -> Draft {
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
