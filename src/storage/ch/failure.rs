//! What a failed statement says about its cause.

use super::ChError;

/// Error codes that blame the data: the same rows will fail again, others may not.
const DATA_ERRORS: &[u32] = &[
    6,   // CANNOT_PARSE_TEXT
    25,  // CANNOT_PARSE_ESCAPE_SEQUENCE
    26,  // CANNOT_PARSE_QUOTED_STRING
    27,  // CANNOT_PARSE_INPUT_ASSERTION_FAILED
    38,  // CANNOT_PARSE_DATE
    41,  // CANNOT_PARSE_DATETIME
    53,  // TYPE_MISMATCH
    69,  // ARGUMENT_OUT_OF_BOUND
    70,  // CANNOT_CONVERT_TYPE
    72,  // CANNOT_PARSE_NUMBER
    117, // INCORRECT_DATA
    131, // TOO_LARGE_STRING_SIZE
    306, // TOO_DEEP_RECURSION
    349, // CANNOT_INSERT_NULL_IN_ORDINARY_COLUMN
    441, // CANNOT_PARSE_DOMAIN_VALUE
    467, // CANNOT_PARSE_BOOL
    469, // VIOLATED_CONSTRAINT
];

/// Error codes of files that are not as they were written.
const FILE_ERRORS: &[u32] = &[
    32,  // ATTEMPT_TO_READ_AFTER_EOF
    33,  // CANNOT_READ_ALL_DATA
    40,  // CHECKSUM_DOESNT_MATCH
    107, // FILE_DOESNT_EXIST
    226, // NO_FILE_IN_DATA_PART
    246, // CORRUPTED_DATA
    271, // CANNOT_DECOMPRESS
    361, // SEEK_POSITION_OUT_OF_BOUND
    432, // UNKNOWN_CODEC: where there are zeros
];

/// The number of ClickHouse's error, if it was ClickHouse that answered.
#[must_use]
pub fn error_code(error: &ChError) -> Option<u32> {
    let ChError::BadResponse(text) = error else { return None };
    let (_, after) = text.split_once("Code: ")?;
    after.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}

/// Whether the rows themselves were refused, so that sending them again is vain. Everything else may pass by itself.
#[must_use]
pub fn blames_data(error: &ChError) -> bool {
    error_code(error).is_some_and(|code| DATA_ERRORS.contains(&code))
}

/// Whether a file of the store is damaged or missing.
#[must_use]
pub(super) fn blames_files(error: &ChError) -> bool {
    error_code(error).is_some_and(|code| FILE_ERRORS.contains(&code))
}

/// Whether the table of events cannot be read as it is: a file of it is damaged, or it was left while its parts were looked
/// through ([`ClickHouse::put_broken_events_aside`](super::ClickHouse::put_broken_events_aside)).
#[must_use]
pub(super) fn blames_events(error: &ChError) -> bool {
    const UNKNOWN_TABLE: u32 = 60;
    blames_files(error) || error_code(error) == Some(UNKNOWN_TABLE)
}

/// Whether an insert was refused because it began later than its name allows; nothing of it is stored.
#[must_use]
pub fn comes_too_late(error: &ChError) -> bool {
    // FUNCTION_THROW_IF_VALUE_IS_NON_ZERO, of the constraint `in_time`.
    error_code(error) == Some(395)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_errors_of_data_blame_the_data() {
        let answer = |text: &str| ChError::BadResponse(text.to_owned());
        let poison = answer("Code: 117. DB::Exception: Cannot parse JSON object here: (INCORRECT_DATA)");
        assert_eq!((error_code(&poison), blames_data(&poison)), (Some(117), true));
        assert!(!blames_data(&answer("Code: 252. DB::Exception: Too many parts")));
        assert!(!blames_data(&answer("502 Bad Gateway")));
        assert!(!blames_data(&ChError::TimedOut));
    }
}
