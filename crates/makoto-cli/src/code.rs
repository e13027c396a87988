//! The code that a command line executes, as far as it lies in files.
//!
//! Says what was hashed, and where that ends: code that stands in the command line, or that an
//! interpreter finds by itself, is not guessed at.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use makoto::digest::Digest;
use makoto::json::Json;
use makoto_data::{Fingerprint, digest_file, fingerprint};

use crate::draft::Draft;
use crate::failure::Failure;
use crate::files::same_file;
use crate::screen::Plain;

/// What is known of the code behind a command line.
#[derive(Debug)]
pub(crate) struct Code {
    /// The script, when an interpreter runs one; else the program.
    main: Option<CodeFile>,
    /// The interpreter.
    interpreter: Option<CodeFile>,
    scope: Scope,
}

/// What of the code was hashed.
#[derive(Debug, Clone, Copy)]
enum Scope {
    Program,
    ScriptAndInterpreter,
    /// `sh -c`, `python3 -c`: the code is the command line.
    CommandText,
    /// `python3 -m`: the interpreter finds the code.
    Module,
    /// The interpreter reads its code from somewhere else.
    Unseen,
}

#[derive(Debug)]
struct CodeFile {
    path: PathBuf,
    digest: Digest,
    fingerprint: Fingerprint,
}

impl CodeFile {
    fn read(path: &Path) -> Result<Self, Failure> {
        let digest = digest_file(path, None, &|_| {}, None)?;
        Ok(Self {
            path: path.to_owned(),
            digest: digest.sha256,
            fingerprint: digest.fingerprint,
        })
    }

    fn to_json(&self) -> Json {
        let digest = [("sha256", self.digest.to_string().into())];
        let uri = self.path.to_string_lossy().into_owned();
        [("uri", uri.into()), ("digest", digest.into())].into()
    }
}

impl Code {
    /// Finds and hashes the code of `command`. Files among `data` are inputs and outputs, not
    /// scripts.
    pub(crate) fn of(command: &[String], data: &[PathBuf]) -> Result<Self, Failure> {
        let command = without_launchers(command);
        let Some(program) = find_program(&command[0]) else {
            return Err(
                Failure::usage(format!("there is no command {:?}", command[0]))
                    .hint("check the spelling, or give the path of the program"),
            );
        };
        // By name first: an interpreter may itself be a script that starts the real one.
        let Some(family) = Family::of(&program) else {
            let interpreter = match shebang(&program) {
                Some(interpreter) => Some(CodeFile::read(&interpreter)?),
                None => None,
            };
            return Ok(Self {
                scope: match interpreter {
                    Some(_) => Scope::ScriptAndInterpreter,
                    None => Scope::Program,
                },
                main: Some(CodeFile::read(&program)?),
                interpreter,
            });
        };
        let interpreter = Some(CodeFile::read(&program)?);
        let mut arguments = command[1..].iter();
        while let Some(argument) = arguments.next() {
            match family.option(argument) {
                Some(After::Code) => {}
                Some(After::Value) => drop(arguments.next()),
                Some(After::Nothing(scope)) => {
                    let main = None;
                    return Ok(Self {
                        main,
                        interpreter,
                        scope,
                    });
                }
                None => {
                    let path = Path::new(argument);
                    if !path.is_file() || data.iter().any(|data| same_file(data, path)) {
                        break;
                    }
                    let main = Some(CodeFile::read(path)?);
                    let scope = Scope::ScriptAndInterpreter;
                    return Ok(Self {
                        main,
                        interpreter,
                        scope,
                    });
                }
            }
        }
        let (main, scope) = (None, Scope::Unseen);
        Ok(Self {
            main,
            interpreter,
            scope,
        })
    }

    /// In a few words, what of the code was hashed.
    pub(crate) fn scope(&self) -> &'static str {
        match self.scope {
            Scope::Program => "program hashed",
            Scope::ScriptAndInterpreter => "script and interpreter hashed",
            Scope::CommandText => "command text only",
            Scope::Module => "interpreter hashed, the module was not",
            Scope::Unseen => "interpreter hashed, its code was not seen",
        }
    }

    /// Writes what is known into a statement.
    pub(crate) fn fill(&self, draft: &mut Draft) {
        let main = self.main.as_ref().map(CodeFile::to_json);
        let interpreter = self.interpreter.as_ref().map(CodeFile::to_json);
        draft.set("transform.codeRef", main);
        draft.set("transform.interpreter", interpreter);
        draft.set("transform.codeScope", Some(self.scope()));
    }

    /// Refuses when a file of the code moved since it was hashed.
    pub(crate) fn refuse_changed(&self) -> Result<(), Failure> {
        for file in [&self.main, &self.interpreter].into_iter().flatten() {
            if fingerprint(&file.path)? != Some(file.fingerprint) {
                let shown = file.path.to_string_lossy();
                return Err(Failure::contradiction(format!(
                    "{} changed while the command ran, so nothing was attested",
                    Plain(&shown)
                ))
                .hint("run the command again when nobody edits its code"));
            }
        }
        Ok(())
    }
}

/// The command without `env`, `nice`, `nohup` or `time` before it.
fn without_launchers(command: &[String]) -> &[String] {
    let mut rest = command;
    loop {
        let (first, after) = match rest.split_first() {
            Some((first, after)) if !after.is_empty() => (first, after),
            _ => return rest,
        };
        let base = first.rsplit('/').next().unwrap_or_default();
        if !matches!(base, "env" | "nice" | "nohup" | "time") {
            return rest;
        }
        let is_own = |argument: &String| argument.starts_with('-') || argument.contains('=');
        let own = after.iter().take_while(|argument| is_own(argument)).count();
        // Another PATH leads to another program than the one that we would find.
        if after[..own]
            .iter()
            .any(|argument| argument.starts_with("PATH="))
        {
            return rest;
        }
        // An option with a value of its own (`nice -n 5`) hides where the command begins.
        if after.len() == own || (own > 0 && after[..own].iter().any(|a| a.starts_with('-'))) {
            return rest;
        }
        rest = &after[own..];
    }
}

/// The file that a shell would execute under this name.
fn find_program(name: &str) -> Option<PathBuf> {
    if name.contains('/') {
        return Path::new(name).is_file().then(|| PathBuf::from(name));
    }
    let path = std::env::var_os("PATH")?;
    let mut candidates = std::env::split_paths(&path).map(|folder| folder.join(name));
    candidates.find(|candidate| {
        let executable = rustix::fs::access(candidate, rustix::fs::Access::EXEC_OK).is_ok();
        candidate.is_file() && executable
    })
}

/// The interpreter that the first line of a script names.
fn shebang(program: &Path) -> Option<PathBuf> {
    let mut start = [0; 256];
    let length = std::fs::File::open(program).ok()?.read(&mut start).ok()?;
    let line = start[..length].strip_prefix(b"#!")?;
    let line = line.split(|byte| *byte == b'\n').next()?;
    let mut words = std::str::from_utf8(line).ok()?.split_whitespace();
    let interpreter = words.next()?;
    match interpreter.ends_with("/env") {
        true => find_program(words.find(|word| !word.starts_with('-'))?),
        false => Some(PathBuf::from(interpreter)),
    }
}

/// Interpreters that take the same options.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Family {
    Shell,
    Python,
    /// Perl and its like: `-e`.
    Perl,
    Node,
    Other,
}

impl Family {
    /// The family of a program that runs code which it is given as a file or an argument.
    fn of(program: &Path) -> Option<Self> {
        let name = program.file_name()?.to_str()?.to_ascii_lowercase();
        // `python3.11` is `python`.
        Some(
            match name.trim_end_matches(|c: char| c.is_ascii_digit() || c == '.') {
                "sh" | "bash" | "dash" | "zsh" | "ksh" | "fish" => Self::Shell,
                "python" | "pypy" => Self::Python,
                "perl" | "ruby" | "lua" | "julia" | "rscript" => Self::Perl,
                "node" | "deno" | "bun" => Self::Node,
                "php" | "pwsh" => Self::Other,
                _ => return None,
            },
        )
    }

    /// What follows an option before the code; `None` when the argument is no option. An option
    /// that is not known may say anything, so nothing is said after it.
    fn option(self, argument: &str) -> Option<After> {
        if argument == "-" {
            return Some(After::Nothing(Scope::Unseen));
        }
        let letters = argument.strip_prefix('-')?;
        let (inline, module, with_value, alone) = match self {
            Self::Shell => ("c", "", "oO", "aefhiklmnptuvxBCEHPT"),
            Self::Python => ("c", "m", "WX", "bBdEiIOPqRsSuvVx"),
            Self::Perl => ("eE", "", "", "nplawWTt"),
            Self::Node => ("ep", "", "", ""),
            Self::Other => ("rc", "", "", ""),
        };
        for (index, letter) in letters.char_indices() {
            if inline.contains(letter) {
                return Some(After::Nothing(Scope::CommandText));
            }
            if module.contains(letter) {
                return Some(After::Nothing(Scope::Module));
            }
            if with_value.contains(letter) {
                // Python takes the rest of the cluster for the value, a shell the next argument.
                let in_cluster = self == Self::Python && index + 1 < letters.len();
                return Some(if in_cluster {
                    After::Code
                } else {
                    After::Value
                });
            }
            if !alone.contains(letter) {
                let inline = ["--eval", "--print", "--command", "-Command"].contains(&argument);
                let scope = if inline {
                    Scope::CommandText
                } else {
                    Scope::Unseen
                };
                return Some(After::Nothing(scope));
            }
        }
        Some(After::Code)
    }
}

/// What comes after an option of an interpreter.
#[derive(Debug, Clone, Copy)]
enum After {
    /// Further options, or the script.
    Code,
    /// A value of the option.
    Value,
    /// Nothing that is code in a file.
    Nothing(Scope),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_say_where_the_code_is() {
        let (text, module) = (
            "command text only",
            "interpreter hashed, the module was not",
        );
        let unseen = "interpreter hashed, its code was not seen";
        for (family, option, expected) in [
            (Family::Shell, "-c", text),
            (Family::Shell, "-euc", text),
            (Family::Shell, "-e", "code"),
            (Family::Shell, "-o", "value"),
            (Family::Shell, "-s", unseen),
            (Family::Shell, "--rcfile", unseen),
            (Family::Python, "-u", "code"),
            (Family::Python, "-Ic", text),
            (Family::Python, "-cimport os", text),
            (Family::Python, "-mmodule", module),
            (Family::Python, "-W", "value"),
            (Family::Python, "-Wignore", "code"),
            (Family::Perl, "-ne", text),
            (Family::Perl, "-le'x'", text),
            (Family::Perl, "-Mstrict", unseen),
            (Family::Node, "--eval", text),
            (Family::Node, "--require", unseen),
            (Family::Node, "-", unseen),
        ] {
            let found = match family.option(option) {
                Some(After::Code) => "code",
                Some(After::Value) => "value",
                Some(After::Nothing(scope)) => Code {
                    main: None,
                    interpreter: None,
                    scope,
                }
                .scope(),
                None => "no option",
            };
            assert_eq!(found, expected, "{option}");
        }
    }

    #[test]
    fn launchers_are_looked_through_as_far_as_it_is_clear() {
        let words = |line: &str| line.split(' ').map(str::to_owned).collect::<Vec<_>>();
        for (line, expected) in [
            ("env A=1 python3 x.py", "python3 x.py"),
            ("nohup env python3 x.py", "python3 x.py"),
            ("nice -n 5 python3 x.py", "nice -n 5 python3 x.py"),
            ("env PATH=/x tool", "env PATH=/x tool"),
            ("env", "env"),
            ("sh -c ls", "sh -c ls"),
        ] {
            assert_eq!(without_launchers(&words(line)), words(expected));
        }
    }
}
