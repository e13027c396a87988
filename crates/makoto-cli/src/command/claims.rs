//! What a producer says of how data was collected, beyond source and collector.

use clap::{Args, ValueEnum};

use super::attest::key_value;

/// What kind of source it is. More kinds are read than are written.
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

/// How the data came from there. More ways are read than are written.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(super) enum MethodArg {
    Pull,
    Push,
    Export,
    Manual,
    ScheduledPull,
    EventDriven,
}

/// On what legal ground data was collected.
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

/// The system that collected it.
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

/// The form that the data is said to have.
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

/// Fields of the Data & Trust Alliance standards.
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

/// Figures of the collection.
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
