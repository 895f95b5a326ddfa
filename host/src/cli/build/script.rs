//! The script that a viewer hook is, of the ES module that a bundler writes.
//!
//! CloudFront runs a script with a function `handler` at its top level. A bundler keeps what is exported, and is free to call it
//! otherwise: `…export{a as handler};`. I put the function in the place of that statement, which bundlers write last. I do not
//! parse the rest: whether it is JavaScript the Runtime says.

/// Without a list of exports at its end the text stays as it is.
pub(super) fn of(module: &str) -> Result<String, String> {
    let Some((before, exports)) = split(module) else { return Ok(module.to_owned()) };
    let handler = exports.iter().find(|(_, name)| *name == "handler");
    let Some((own, _)) = handler else {
        let names: Vec<_> = exports.iter().map(|(_, name)| format!("`{name}`")).collect();
        let names = if names.is_empty() { "nothing".to_owned() } else { names.join(", ") };
        return Err(format!("it exports {names}, and not `handler`: begin the function with `export function handler(event)`"));
    };
    if *own == "handler" {
        return Ok(before.to_owned());
    }
    // Where the function is `async`, its promise is handed on.
    Ok(format!("{before}function handler(event){{return {own}(event)}}\n"))
}

/// What stands before the list of exports, and the list: the module's own names, and those that it exports.
fn split(module: &str) -> Option<(&str, Vec<(&str, &str)>)> {
    let end = without_comments(module);
    let list = end.strip_suffix(';').unwrap_or(end).trim_end().strip_suffix('}')?;
    let (before, list) = list.rsplit_once('{')?;
    let before = before.trim_end().strip_suffix("export")?;
    if before.ends_with(is_in_name) {
        return None;
    }
    let exports = list.split(',').map(str::trim).filter(|item| !item.is_empty()).map(|item| {
        let mut words = item.split_whitespace();
        let (own, exported) = match (words.next()?, words.next(), words.next(), words.next()) {
            (own, None, None, None) => (own, own),
            (own, Some("as"), Some(exported), None) => (own, exported),
            _ => return None,
        };
        (own.chars().all(is_in_name) && exported.chars().all(is_in_name)).then_some((own, exported))
    });
    Some((before, exports.collect::<Option<_>>()?))
}

fn is_in_name(c: char) -> bool {
    c.is_alphanumeric() || c == '_' || c == '$'
}

/// Without the lines at the end that say where the source map is.
fn without_comments(mut module: &str) -> &str {
    loop {
        module = module.trim_end();
        match module.rsplit_once('\n') {
            Some((before, line)) if line.trim_start().starts_with("//") => module = before,
            _ => return module,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_exported_handler_becomes_the_function_of_that_name() {
        for (module, script) in [
            // As esbuild writes it, with names that are shortened and with those of the source.
            (
                "var t=1;function n(e){return e}export{n as handler};\n",
                "var t=1;function n(e){return e}function handler(event){return n(event)}\n",
            ),
            ("function handler(e) {\n}\nexport {\n  handler\n};\n", "function handler(e) {\n}\n"),
            // As rollup does, and with more than one.
            (
                "function handler(){}\n\nexport { handler, other as default };\n//# sourceMappingURL=a.js.map\n",
                "function handler(){}\n\n",
            ),
            ("function handler(){}export{$a as other,handler}", "function handler(){}"),
            // A script.
            ("function handler(event) { return event.request; }\n", "function handler(event) { return event.request; }\n"),
            ("var x={a}\n", "var x={a}\n"),
            ("var myexport{a}", "var myexport{a}"),
            ("", ""),
        ] {
            assert_eq!(of(module).as_deref(), Ok(script), "{module}");
        }
    }

    #[test]
    fn a_module_that_exports_no_handler_is_refused() {
        for (module, told) in [
            ("var a;export{a as main};", "it exports `main`, and not `handler`"),
            ("var a;export{};", "it exports nothing, and not `handler`"),
        ] {
            assert!(of(module).is_err_and(|error| error.starts_with(told)), "{module}");
        }
    }
}
