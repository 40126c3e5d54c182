//! What holds of every statement, whatever is asked.

use super::functions;

#[test]
fn the_list_of_functions_is_short_and_says_each_once() {
    let all = functions::all();
    assert!(all.len() <= 400, "{}", all.len());
    let mut names: Vec<_> = all.iter().map(|function| function.name).collect();
    names.sort_unstable();
    assert!(names.windows(2).all(|pair| pair[0] != pair[1]));
    // What reads files, the network, other tables or the engine itself.
    for name in [
        "file",
        "url",
        "remote",
        "merge",
        "dictGet",
        "joinGet",
        "getSetting",
        "sleep",
        "currentUser",
        "hostName",
        "throwIf",
        "getMacro",
        "executable",
        "s3",
        "input",
        "view",
        "cluster",
        "arrayReduce",
        "initializeAggregation",
        "evalMLMethod",
        "randomString",
        "repeat",
        "queryID",
        "version",
        "uptime",
        "fuzzBits",
        "showCertificate",
        "hasColumnInTable",
    ] {
        assert!(functions::find(name).is_none(), "{name}");
    }
}
