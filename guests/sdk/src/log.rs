//! The function's log.

/// Writes one line. What is over the log limit of a call is dropped, and the log says so.
pub fn line(text: &str) {
    crate::abi::line(text);
}

#[doc(hidden)]
pub fn arguments(arguments: std::fmt::Arguments<'_>) {
    match arguments.as_str() {
        Some(text) => line(text),
        None => line(&arguments.to_string()),
    }
}

/// Writes one line to the function's log, like `println!`.
///
/// Formatting links a few kilobytes; [`log::line`](crate::log::line) does not.
#[macro_export]
macro_rules! log {
    ($($argument:tt)*) => {
        $crate::log::arguments(::core::format_args!($($argument)*))
    };
}
