//! `https://makoto.dev/origin/v1`: where data was collected (requirement P2).

use crate::datetime::{DateTime, Duration};
use crate::document;
use crate::scalar::{
    AnyText, LooseDigestSet, Ratio, StringMap, Text, Uint, Uri, closed_vocabulary, open_vocabulary,
};
use crate::shape::{At, Findings};

document! {
    /// Predicate of an origin statement.
    pub struct Origin {
        /// Where, when and how the data was collected.
        required origin: Collection = "origin",
        /// The system that collected it.
        required collector: Collector = "collector",
        /// Schema of the collected data.
        optional schema: DataSchema = "schema",
        /// Figures of the collection; claims of the collector.
        optional metadata: CollectionMetadata = "metadata",
        /// Data & Trust Alliance provenance standards.
        optional dta_compliance: DtaCompliance = "dtaCompliance",
    }
}

document! {
    /// Where, when and how data was collected.
    pub struct Collection {
        /// URI or identifier of the data source.
        required source: Text = "source",
        /// Type of source.
        recommended source_type: SourceType = "sourceType",
        /// When the data was collected.
        required collection_timestamp: DateTime = "collectionTimestamp",
        /// How the data was obtained.
        recommended collection_method: CollectionMethod = "collectionMethod",
        /// Where the data was collected or is stored.
        optional geography: AnyText = "geography",
        /// Legal ground for the collection.
        optional consent: Consent = "consent",
    }
}

open_vocabulary! {
    /// Type of source. The first five are the specification's own.
    pub struct SourceType [
        "api", "database", "file", "stream", "manual", "sensor", "web-scrape", "other",
    ]
}

open_vocabulary! {
    /// How data was obtained. The first four are the specification's own.
    pub struct CollectionMethod [
        "pull", "push", "export", "manual", "scheduled-pull", "event-driven", "batch-upload",
        "streaming", "manual-upload", "continuous-stream", "batch-export", "webhook", "other",
    ]
}

document! {
    /// Legal ground for a collection.
    pub struct Consent {
        /// Kind of ground.
        required kind: ConsentType = "type",
        /// Document that gives it.
        optional reference: Uri = "reference",
        /// When it was obtained.
        optional obtained: DateTime = "obtained",
        /// When it ends.
        optional expires: DateTime = "expires",
    }
}

closed_vocabulary! {
    /// Kind of legal ground: the union of the published lists.
    pub enum ConsentType {
        /// By contract.
        Contractual = "contractual",
        /// By consent.
        Consent = "consent",
        /// By explicit consent.
        Explicit = "explicit",
        /// Legitimate interest.
        LegitimateInterest = "legitimate-interest",
        /// Legal obligation.
        LegalObligation = "legal-obligation",
        /// Public interest.
        PublicInterest = "public-interest",
        /// Vital interest.
        VitalInterest = "vital-interest",
        /// Public task.
        PublicTask = "public-task",
    }
}

document! {
    /// The system that collected data.
    pub struct Collector {
        /// Identifier of the collecting system or process; from L2 on it matches the signer.
        required id: Text = "id",
        /// Versions of its components.
        optional version: StringMap = "version",
        /// Where it runs.
        optional environment: Environment = "environment",
        /// Platform that hosts it.
        optional platform: AnyText = "platform",
    }
}

closed_vocabulary! {
    /// Where a collector runs.
    pub enum Environment {
        /// In production.
        Production = "production",
        /// In staging.
        Staging = "staging",
        /// In development.
        Development = "development",
        /// In a test.
        Test = "test",
        /// In a test, as another published schema spells it.
        Testing = "testing",
    }
}

document! {
    /// Schema of collected data.
    pub struct DataSchema {
        /// Name of the format, such as `csv` or `json-lines`.
        recommended format: AnyText = "format",
        /// Where the schema is.
        optional schema_ref: Uri = "schemaRef",
        /// Digest of the schema.
        optional schema_digest: LooseDigestSet = "schemaDigest",
        /// Version of the schema.
        optional schema_version: AnyText = "schemaVersion",
    }
}

document! {
    /// Figures of a collection.
    pub struct CollectionMetadata {
        /// How long it took.
        optional collection_duration: Duration = "collectionDuration",
        /// Bytes collected.
        optional bytes_collected: Uint = "bytesCollected",
        /// Records collected.
        optional records_collected: Uint = "recordsCollected",
        /// Records dropped.
        optional records_dropped: Uint = "recordsDropped",
        /// Share of failed reads.
        optional error_rate: Ratio = "errorRate",
        /// When it started.
        optional start_time: DateTime = "startTime",
        /// When it ended.
        optional end_time: DateTime = "endTime",
    }
    => times_in_order
}

fn times_in_order(metadata: &CollectionMetadata, at: &At<'_>, findings: &mut Findings) {
    if let (Some(start), Some(end)) = (&metadata.start_time, &metadata.end_time)
        && end < start
    {
        findings.contradiction(
            &at.field("endTime"),
            format!("{end} is before startTime {start}"),
        );
    }
}

document! {
    /// Data & Trust Alliance provenance standards.
    pub struct DtaCompliance {
        /// Version of the standards.
        optional standards_version: AnyText = "standardsVersion",
        /// Source standard.
        optional source_standard: DtaSource = "sourceStandard",
        /// Provenance standard.
        optional provenance_standard: DtaProvenance = "provenanceStandard",
        /// Use standard.
        optional use_standard: DtaUse = "useStandard",
    }
}

document! {
    /// D&TA source standard.
    pub struct DtaSource {
        /// Title of the dataset.
        optional dataset_title: AnyText = "datasetTitle",
        /// Who issues it.
        optional dataset_issuer: AnyText = "datasetIssuer",
        /// What it is.
        optional description: AnyText = "description",
    }
}

document! {
    /// D&TA provenance standard.
    pub struct DtaProvenance {
        /// Where the data comes from.
        optional data_origin_geography: AnyText = "dataOriginGeography",
        /// How it was made.
        optional method: AnyText = "method",
        /// Its format.
        optional data_format: AnyText = "dataFormat",
    }
}

document! {
    /// D&TA use standard.
    pub struct DtaUse {
        /// Confidentiality, such as `public` or `restricted`.
        optional confidentiality_classification: AnyText = "confidentialityClassification",
        /// What the data may be used for.
        optional intended_data_use: AnyText = "intendedDataUse",
        /// Licence of the data.
        optional license: AnyText = "license",
    }
}
