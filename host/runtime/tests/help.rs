//! The help of the command line, as it is printed.

#[test]
fn help_says_what_there_is_with_examples() {
    insta::assert_snapshot!(millrace_runtime::cli::help());
}
