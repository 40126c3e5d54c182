//! A misspelt variable must not be ignored in silence.

/// A `TENREC_…` variable that no option reads.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{name} is no option of Tenrec; did you mean {nearest}? (tenrec serve --help lists all)")]
pub struct UnknownVariable {
    name: String,
    nearest: String,
}

/// Checks the names of environment variables against the options that `command` reads.
///
/// # Errors
/// For the first `TENREC_…` name that no option of any subcommand reads.
pub fn refuse_unknown_variables(
    command: &clap::Command,
    names: impl Iterator<Item = String>,
) -> Result<(), UnknownVariable> {
    let mut known = Vec::new();
    collect(command, &mut known);
    for name in names.filter(|name| name.starts_with("TENREC_")) {
        if !known.contains(&name) {
            let nearest = known.iter().filter(|k| k.starts_with("TENREC_")).min_by_key(|k| distance(k, &name));
            return Err(UnknownVariable { nearest: nearest.cloned().unwrap_or_default(), name });
        }
    }
    Ok(())
}

fn collect(command: &clap::Command, names: &mut Vec<String>) {
    names.extend(command.get_arguments().filter_map(|arg| arg.get_env()?.to_str().map(str::to_owned)));
    for sub in command.get_subcommands() {
        collect(sub, names);
    }
}

/// Levenshtein's distance.
fn distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.bytes().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.bytes().enumerate() {
            let replaced = diagonal + usize::from(x != y);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_misspelt_variable_is_refused_and_the_right_one_named() {
        let command = clap::Command::new("t").arg(clap::Arg::new("a").long("a").env("TENREC_DATA_DIR"));
        let names = |s: &str| vec!["PATH".to_owned(), s.to_owned()].into_iter();
        assert_eq!(refuse_unknown_variables(&command, names("TENREC_DATA_DIR")), Ok(()));
        let error = refuse_unknown_variables(&command, names("TENREC_DATADIR")).expect_err("refused");
        assert!(error.to_string().contains("TENREC_DATA_DIR"));
    }
}
