use clap::Args;
use clap::builder::PossibleValuesParser;
use makoto::schema::Kind;

use crate::failure::Failure;
use crate::screen;

/// Print the JSON Schema of a kind of document
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  makoto schema origin > origin.schema.json")]
pub(crate) struct Schema {
    /// The kind of document
    #[arg(value_parser = PossibleValuesParser::new(Kind::ALL.map(Kind::name)))]
    kind: String,
}

impl Schema {
    pub(crate) fn run(&self) -> Result<u8, Failure> {
        let kind = Kind::from_name(&self.kind)
            .ok_or_else(|| Failure::usage(format!("unknown kind {:?}", self.kind)))?;
        screen::document(format!("{:#}\n", kind.schema()).as_bytes());
        Ok(0)
    }
}
