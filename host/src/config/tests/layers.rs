//! `layers` of a function, in their order and with their places.

use expect_test::expect;

use super::super::FunctionCode;
use super::{check, good};

const USED: &str = "[server]\nhttp = [\"127.0.0.1:8080\"]\n[origin.o]\ncomponent = \"f\"\n[[site]]\nname = \"www\"\nhosts = [\"*\"]\norigin = \"o\"\n";

#[test]
fn layers_are_kept_in_their_order() {
    // The folders and archives themselves are read at deployment.
    let config = good(&format!("[function.f]\nsource = \"www\"\nruntime = \"python3.14\"\nlayers = [\"www\", \".\"]\n{USED}"));
    let FunctionCode::Package { layers, .. } = &config.functions["f"].code else { panic!("a package") };
    let names: Vec<_> = layers.iter().map(|layer| layer.file_name().and_then(|name| name.to_str())).collect();
    assert_eq!((layers.len(), names[0]), (2, Some("www")));
}

#[test]
fn layers_that_cannot_be_are_refused_where_they_stand() {
    let six = "layers = [\"www\", \"www\", \"www\", \"www\", \"www\", \"six.zip\"]";
    for (function, expected) in [
        (
            "source = \"www\"\nruntime = \"python3.14\"\nlayers = [\"www\", \"none.zip\", \"values.json\"]",
            expect![[r#"
                error: cannot read `none.zip`: no such file or folder
                 --> edge.toml:4:18
                  |
                4 | layers = ["www", "none.zip", "values.json"]
                  |                  ^^^^^^^^^^ looked for in FOLDER

                error: `values.json` is neither a folder nor a zip archive
                 --> edge.toml:4:30
                  |
                4 | layers = ["www", "none.zip", "values.json"]
                  |                              ^^^^^^^^^^^^^ name what is published as a layer, such as "layer.zip"
            "#]],
        ),
        (
            &format!("source = \"www\"\nruntime = \"nodejs24.x\"\n{six}"),
            expect![[r#"
                error: too many `layers`
                 --> edge.toml:4:46
                  |
                4 | layers = ["www", "www", "www", "www", "www", "six.zip"]
                  |                                              ^^^^^^^^^ at most 5; merge some of them
            "#]],
        ),
        (
            "component = \"hook.wasm\"\nlayers = [\"www\"]",
            expect![[r#"
                error: [function.f] has `layers`, and is no function in a language that finds them
                 --> edge.toml:3:11
                  |
                3 | layers = ["www"]
                  |           ^^^^^ take them out, or put their files into what the function is built from
            "#]],
        ),
    ] {
        check(&format!("[function.f]\n{function}\n{USED}"), expected);
    }
}
