//! Parses the limits of `oci run` as the command line has them.

use crate::cli::RunArguments;
use crate::model::ByteSize;
use crate::sandbox::Limits;
use crate::sanitize;

/// The greatest number that the kernel accepts.
const MOST_PROCESSES: u32 = 1 << 22;
const MOST_PROCESSORS: u64 = 8192;

/// Why a text is no limit.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
#[error("`{written}` is no limit for `{option}`")]
#[diagnostic(code(oci::cli::bad_limit), help("{form}"))]
pub(super) struct LimitError {
    written: String,
    option: &'static str,
    form: &'static str,
}

/// The limits of a container.
pub(super) fn limits(arguments: &RunArguments) -> Result<Limits, LimitError> {
    let memory = arguments.memory.as_deref().map(|written| {
        let bytes = ByteSize::parse(written).ok().map(|size| size.0).filter(|bytes| *bytes > 0);
        bytes.ok_or_else(|| bad_limit(written, "--memory", "write a whole number and its unit, such as `512MiB`"))
    });
    let processors = arguments.cpus.as_deref().map(|written| {
        thousandths(written).ok_or_else(|| {
            let form = "write a number such as `2` or `1.5`, `0.01` at least, with at most three decimals";
            bad_limit(written, "--cpus", form)
        })
    });
    let processes = arguments.pids_limit.as_deref().map(|written| {
        let number = written.parse().ok().filter(|number| (1..=MOST_PROCESSES).contains(number));
        number.ok_or_else(|| bad_limit(written, "--pids-limit", "write a whole number, such as `100`"))
    });
    Ok(Limits { memory: memory.transpose()?, processors: processors.transpose()?, processes: processes.transpose()? })
}

fn bad_limit(written: &str, option: &'static str, form: &'static str) -> LimitError {
    LimitError { written: sanitize::name(written), option, form }
}

/// A number with at most three decimals, times a thousand. Returns `None` for any other text, and for a number below
/// what the kernel can express.
fn thousandths(written: &str) -> Option<u64> {
    let (whole, decimals) = written.split_once('.').unwrap_or((written, "0"));
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if !digits(whole) || !digits(decimals) || decimals.len() > 3 {
        return None;
    }
    let whole = whole.parse::<u64>().ok().filter(|whole| *whole <= MOST_PROCESSORS)?;
    let sum = whole * 1000 + format!("{decimals:0<3}").parse::<u64>().ok()?;
    Some(sum).filter(|sum| *sum >= 10)
}

#[cfg(test)]
mod tests {
    use super::{bad_limit, thousandths};
    use crate::diagnostic::rendered;

    #[test]
    fn how_a_bad_limit_is_told() {
        let error = bad_limit("lots", "--memory", "write a whole number and its unit, such as `512MiB`");
        insta::assert_snapshot!(rendered(&error));
    }

    #[test]
    fn processors_are_counted_in_thousandths() {
        for (written, expected) in [
            ("2", Some(2000)),
            ("1.5", Some(1500)),
            ("0.25", Some(250)),
            ("0.01", Some(10)),
            ("8192.999", Some(8_192_999)),
            ("0.001", None),
            ("0", None),
            ("8193", None),
            ("-1", None),
            ("1.2345", None),
            (".5", None),
            ("1.", None),
            ("1e3", None),
            ("99999999999999999999999", None),
            ("", None),
        ] {
            assert_eq!(thousandths(written), expected, "{written}");
        }
    }
}
