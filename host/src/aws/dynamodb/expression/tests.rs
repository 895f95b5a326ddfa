//! Expressions: what is read, what it means for an item, and what AWS says of what is wrong.

use serde_json::{Value, json};

use super::condition::ItemCondition;
use super::evaluate::is_satisfied;
use super::key_condition::KeyCondition;
use super::placeholders::Placeholders;
use super::projection::ItemProjection;
use super::update::ItemUpdate;
use crate::aws::dynamodb::attribute::AttributeMap;
use crate::aws::dynamodb::key::{KeyAttribute, KeySchema, KeyType};
use crate::aws::dynamodb::wire::attribute_map;
use crate::aws::error::ApiError;

fn placeholders() -> Placeholders {
    let names = json!({"#n": "name", "#dot": "a.b"});
    let values = json!({
        ":one": {"N": "1"}, ":two": {"N": "2"}, ":ten": {"N": "10"}, ":a": {"S": "a"}, ":ab": {"S": "ab"}, ":abc": {"S": "abc"},
        ":bytes": {"B": "AAEC"}, ":byte": {"B": "AQ=="}, ":true": {"BOOL": true}, ":null": {"NULL": true}, ":list": {"L": [{"N": "1"}]},
        ":empty": {"L": []}, ":map": {"M": {"x": {"N": "1"}}}, ":red": {"SS": ["red"]}, ":green": {"SS": ["green"]}, ":numbers": {"NS": ["1", "2"]},
        ":N": {"S": "N"}, ":SS": {"S": "SS"}, ":X": {"S": "X"}, ":word": {"S": "red"}
    });
    Placeholders::read(Some(&names), Some(&values)).unwrap()
}

fn item() -> AttributeMap {
    attribute_map(&json!({
        "id": {"S": "abc"}, "n": {"N": "1"}, "m": {"N": "9"}, "bytes": {"B": "AAEC"}, "yes": {"BOOL": true}, "nothing": {"NULL": true},
        "colors": {"SS": ["red", "blue"]}, "numbers": {"NS": ["1.0", "2"]}, "steps": {"L": [{"N": "1"}, {"S": "a"}, {"L": [{"S": "deep"}]}]},
        "tree": {"M": {"x": {"N": "1"}, "y": {"M": {"z": {"S": "a"}}}}}, "name": {"S": "Ada é 😀"}, "a.b": {"N": "10"}
    }))
    .unwrap()
}

fn told(error: &ApiError) -> String {
    error.message.as_deref().unwrap_or_default().to_owned()
}

#[test]
fn conditions_mean_what_aws_says() {
    for (text, expected) in [
        ("attribute_exists(id)", true),
        ("attribute_exists(nobody)", false),
        ("attribute_not_exists(tree.y.q)", true),
        ("attribute_exists(steps[2][0]) and attribute_exists(id)", true),
        ("n = :one", true),
        ("n = :a", false),
        ("numbers = :numbers", true),
        ("steps[0] = n", true),
        ("nobody = nothing", false),
        ("nobody = nobody2", false),
        ("nobody <> :one", true),
        ("nobody <> nobody2", true),
        ("n <> :a", true),
        // As numbers, not as texts.
        ("m < :ten", true),
        ("#dot > m", true),
        ("nobody < :one", false),
        (":a < id", true),
        ("n < :a", false),
        ("bytes >= :bytes", true),
        ("n BETWEEN :one AND :two", true),
        ("m BETWEEN :one AND :two", false),
        ("nobody BETWEEN :one AND :two", false),
        ("n BETWEEN m AND n", false),
        ("n IN (:two, :one)", true),
        ("tree IN (:map)", false),
        ("attribute_type(n, :N)", true),
        ("attribute_type(colors, :SS)", true),
        ("attribute_type(nobody, :N)", false),
        ("begins_with(id, :ab)", true),
        ("begins_with(n, :ab)", false),
        ("begins_with(bytes, :byte)", false),
        ("contains(id, :ab)", true),
        ("contains(colors, :word)", true),
        ("contains(numbers, :one)", true),
        ("contains(steps, :a)", true),
        ("contains(steps[2], :a)", false),
        ("contains(bytes, :byte)", true),
        ("contains(n, :one)", false),
        ("size(steps) > :two", true),
        ("size(colors) = :two", true),
        // UTF-16 has two for the last one.
        ("size(#n) < :ten", true),
        ("size(n) = :one", false),
        ("NOT n = :one", false),
        ("NOT NOT n = :one", true),
        ("n = :two OR n = :one AND m = :one", false),
        ("(n = :two OR n = :one) AND NOT m = :one", true),
        ("n = :one AND (m = :one OR (yes = :true AND nothing = :null))", true),
    ] {
        let condition = ItemCondition::parse("ConditionExpression", text, &placeholders());
        let condition = condition.unwrap_or_else(|error| panic!("{text}: {error}"));
        assert_eq!(is_satisfied(&condition, &item()), expected, "{text}");
    }
}

#[test]
fn what_is_wrong_with_a_condition_is_told_in_aws_words() {
    let many = vec!["n = :one"; 302].join(" OR ");
    let (deep, long) = (format!("{}n = :one", "NOT ".repeat(70)), "a".repeat(4_097));
    for (text, message) in [
        ("", "The expression can not be empty;"),
        ("  ", "The expression can not be empty;"),
        ("n = = :one", "Syntax error; token: \"=\", near: \"= = :one\""),
        ("n", "Syntax error; token: \"<EOF>\", near: \"n\""),
        ("n = :one AND", "Syntax error; token: \"<EOF>\", near: \"AND\""),
        ("n ! :one", "Syntax error; token: \"!\""),
        ("n = \u{e9}", "Syntax error; token: \"\u{e9}\""),
        ("(n = :one", "Syntax error; token: \"<EOF>\""),
        ("n = :one m", "Syntax error; token: \"m\", near: \":one m\""),
        ("steps[-1] = :one", "Syntax error; token: \"-\""),
        ("((n = :one))", "The expression has redundant parentheses;"),
        ("name = :a", "Attribute name is a reserved keyword; reserved keyword: name"),
        ("tree.Status = :a", "Attribute name is a reserved keyword; reserved keyword: Status"),
        ("#x = :a", "An expression attribute name used in the document path is not defined; attribute name: #x"),
        ("n = :x", "An expression attribute value used in expression is not defined; attribute value: :x"),
        ("Attribute_exists(n)", "Invalid function name; function: Attribute_exists"),
        ("foo(n)", "Invalid function name; function: foo"),
        ("n = foo(n)", "Invalid function name; function: foo"),
        (
            "attribute_exists(n, m)",
            "Incorrect number of operands for operator or function; operator or function: attribute_exists, number of operands: 2",
        ),
        (
            "begins_with(id)",
            "Incorrect number of operands for operator or function; operator or function: begins_with, number of operands: 1",
        ),
        (
            "begins_with(id, :one)",
            "Incorrect operand type for operator or function; operator or function: begins_with, operand type: N",
        ),
        ("attribute_exists(:a)", "Operator or function requires a document path; operator or function: attribute_exists"),
        ("attribute_type(n, :X)", "Invalid attribute type name found; type: X, valid types: {B,NULL,SS,BOOL,L,BS,N,NS,S,M}"),
        (
            "attribute_type(n, :one)",
            "Incorrect operand type for operator or function; operator or function: attribute_type, operand type: N",
        ),
        ("size(n)", "The function is not allowed to be used this way in an expression; function: size"),
        ("size(:one) = n", "Incorrect operand type for operator or function; operator or function: size, operand type: N"),
        (
            "attribute_exists(n) = :true",
            "The function is not allowed to be used this way in an expression; function: attribute_exists",
        ),
        ("n = contains(id, :a)", "The function is not allowed to be used this way in an expression; function: contains"),
        (
            "n = n",
            "The first operand must be distinct from the remaining operands for this operator or function; operator: =, first operand: [n]",
        ),
        ("steps[0] < steps[0]", "operator: <, first operand: [steps, [0]]"),
        ("n < :list", "Incorrect operand type for operator or function; operator: <, operand type: LIST"),
        (
            "n BETWEEN :two AND :one",
            "The BETWEEN operator requires upper bound to be greater than or equal to lower bound; lower bound operand: AttributeValue: {N:2}, upper bound operand: AttributeValue: {N:1}",
        ),
        ("n BETWEEN :a AND :one", "The BETWEEN operator requires same data type for lower and upper bounds;"),
        (many.as_str(), "The expression contains too many operators; operator count: 301"),
        (deep.as_str(), "The expression has too many nested parentheses, negations or functions;"),
        (long.as_str(), "Expression size has exceeded the maximum allowed size; expression size: 4097"),
        ("steps[4294967296] = :one", "List index is not within the allowable range; index: [4294967296]"),
    ] {
        let error = ItemCondition::parse("ConditionExpression", text, &placeholders()).expect_err(text);
        assert_eq!(error.code, "ValidationException");
        let shown = told(&error);
        assert!(shown.starts_with("Invalid ConditionExpression: ") && shown.contains(message), "{text}: {shown}");
    }
    let most = vec!["n = :one"; 151].join(" OR ");
    assert_eq!(most.matches('=').count() + most.matches("OR").count(), 301);
    let most = most.strip_suffix(" OR n = :one").unwrap();
    assert!(ItemCondition::parse("ConditionExpression", most, &placeholders()).is_ok());
}

#[track_caller]
fn updated(text: &str) -> Result<Value, ApiError> {
    let mut item = item();
    ItemUpdate::parse(text, &placeholders())?.apply(&mut item)?;
    Ok(serde_json::to_value(item).unwrap())
}

#[test]
fn updates_change_what_they_name() {
    let changed = |text: &str, path: &str| updated(text).unwrap_or_else(|error| panic!("{text}: {error}")).pointer(path).cloned();
    for (text, path, expected) in [
        ("SET n = :two", "/n/N", json!("2")),
        ("set n = n + :one, m = m - :ten", "/m/N", json!("-1")),
        ("SET n = :ten - (n + :one)", "/n/N", json!("8")),
        ("SET n = if_not_exists(q, :ten) + :one", "/n/N", json!("11")),
        ("SET n = if_not_exists(m, :ten)", "/n/N", json!("9")),
        // From the item as it was.
        ("SET n = m, m = n", "/m/N", json!("1")),
        ("SET tree.y.z = :one", "/tree/M/y/M/z/N", json!("1")),
        ("SET tree.y.fresh = :one", "/tree/M/y/M/fresh/N", json!("1")),
        ("SET steps[0] = :a", "/steps/L/0/S", json!("a")),
        ("SET steps[99] = :ab, steps[98] = :a", "/steps/L/4/S", json!("ab")),
        ("SET steps = list_append(steps, :list)", "/steps/L/3/N", json!("1")),
        ("SET steps = list_append(:list, steps)", "/steps/L/1/N", json!("1")),
        ("SET q = list_append(if_not_exists(q, :empty), :list)", "/q/L/0/N", json!("1")),
        ("REMOVE steps[0], steps[1]", "/steps/L/0/L/0/S", json!("deep")),
        ("REMOVE steps[7] SET n = :two", "/steps/L/2/L/0/S", json!("deep")),
        ("SET steps[3] = :a REMOVE steps[0]", "/steps/L/2/S", json!("a")),
        ("ADD n :ten", "/n/N", json!("11")),
        ("ADD q :ten", "/q/N", json!("10")),
        ("ADD tree.x :one", "/tree/M/x/N", json!("2")),
        ("ADD colors :green", "/colors/SS", json!(["blue", "green", "red"])),
        ("DELETE colors :red", "/colors/SS", json!(["blue"])),
        ("DELETE q :red SET n = :two", "/n/N", json!("2")),
    ] {
        assert_eq!(changed(text, path), Some(expected), "{text}");
    }
    for (text, path) in [
        ("REMOVE n, tree.y", "/n"),
        ("REMOVE n, tree.y", "/tree/M/y"),
        ("DELETE numbers :numbers", "/numbers"),
        ("REMOVE q", "/q"),
    ] {
        assert_eq!(changed(text, path), None, "{text}");
    }
}

#[test]
fn what_an_update_cannot_do_is_told_in_aws_words() {
    for (text, message) in [
        ("", "Invalid UpdateExpression: The expression can not be empty;"),
        ("PUT n = :one", "Invalid UpdateExpression: Syntax error; token: \"PUT\""),
        ("SET n :one", "Invalid UpdateExpression: Syntax error; token: \":one\", near: \"n :one\""),
        (
            "SET n = :one SET m = :one",
            "Invalid UpdateExpression: The \"SET\" section can only be used once in an update expression;",
        ),
        (
            "SET n = :one, n = :two",
            "Invalid UpdateExpression: Two document paths overlap with each other; must remove or rewrite one of these paths; path one: [n], path two: [n]",
        ),
        ("SET tree.y = :one REMOVE tree.y.z", "path one: [tree, y], path two: [tree, y, z]"),
        ("SET steps[0] = :one REMOVE steps.a", "Invalid UpdateExpression: Two document paths conflict with each other;"),
        ("SET n = size(m)", "Invalid UpdateExpression: Invalid function name; function: size"),
        (
            "SET n = list_append(m)",
            "Incorrect number of operands for operator or function; operator or function: list_append, number of operands: 1",
        ),
        ("SET n = list_append(m, :one)", "operator or function: list_append, operand type: N"),
        (
            "SET n = if_not_exists(:one, :two)",
            "Operator or function requires a document path; operator or function: if_not_exists",
        ),
        ("SET n = m + :a", "Incorrect operand type for operator or function; operator or function: +, operand type: S"),
        (
            "ADD n :a",
            "Incorrect operand type for operator or function; operator: ADD, operand type: STRING, typeSet: ALLOWED_FOR_ADD_OPERAND",
        ),
        ("DELETE n :one", "operator: DELETE, operand type: NUMBER, typeSet: ALLOWED_FOR_DELETE_OPERAND"),
        ("SET n = q", "The provided expression refers to an attribute that does not exist in the item"),
        ("SET n = id + :one", "An operand in the update expression has an incorrect data type"),
        ("SET n = list_append(id, :list)", "An operand in the update expression has an incorrect data type"),
        ("ADD id :one", "An operand in the update expression has an incorrect data type"),
        ("DELETE numbers :red", "An operand in the update expression has an incorrect data type"),
        ("SET q.a = :one", "The document path provided in the update expression is invalid for update"),
        ("SET n[0] = :one", "The document path provided in the update expression is invalid for update"),
        ("REMOVE q.a", "The document path provided in the update expression is invalid for update"),
    ] {
        let shown = told(&updated(text).expect_err(text));
        assert!(shown.contains(message), "{text}: {shown}");
    }
}

#[test]
fn a_projection_is_what_is_there_of_what_is_wanted() {
    let part = |text: &str| {
        let projection = ItemProjection::parse(text, &placeholders()).map_err(|error| told(&error))?;
        Ok::<Value, String>(serde_json::to_value(projection.of_item(&item())).unwrap())
    };
    assert_eq!(part("n, nobody, #n"), Ok(json!({"n": {"N": "1"}, "name": {"S": "Ada é 😀"}})));
    assert_eq!(part("steps[2][0], steps[0], steps[9]"), Ok(json!({"steps": {"L": [{"N": "1"}, {"L": [{"S": "deep"}]}]}})));
    assert_eq!(part("tree.y.z, tree.q"), Ok(json!({"tree": {"M": {"y": {"M": {"z": {"S": "a"}}}}}})));
    assert_eq!(part("n.x, id[0]"), Ok(json!({})));
    assert!(part("n, n").unwrap_err().starts_with("Invalid ProjectionExpression: Two document paths overlap"));
    assert!(part("n,").unwrap_err().contains("Syntax error; token: \"<EOF>\""));
}

#[test]
fn a_query_names_its_key() {
    let attribute = |name: &str, kind| KeyAttribute { name: name.to_owned(), kind };
    let schema = KeySchema { hash: attribute("id", KeyType::S), range: Some(attribute("n", KeyType::N)) };
    let parsed = |text: &str| KeyCondition::parse(text, &placeholders(), &schema).map_err(|error| told(&error));
    for text in ["id = :a", "(id = :a) AND n < :ten", ":one <= n AND id = :a", "id = :a AND n BETWEEN :one AND :two"] {
        parsed(text).unwrap_or_else(|error| panic!("{text}: {error}"));
    }
    for (text, message) in [
        ("n = :one", "Query condition missed key schema element: id"),
        ("id = :a AND m = :one", "Query condition missed key schema element: n"),
        ("id = :a AND n = :one AND m = :one", "Query key condition not supported"),
        ("id > :a", "Query key condition not supported"),
        ("id = :a OR n = :one", "Invalid operator used in KeyConditionExpression: OR"),
        ("id = :a AND NOT n = :one", "Invalid operator used in KeyConditionExpression: NOT"),
        ("id = :a AND n <> :one", "Invalid operator used in KeyConditionExpression: <>"),
        ("id = :a AND contains(n, :one)", "Invalid operator used in KeyConditionExpression: contains"),
        ("id = :a AND n > :one AND n < :ten", "KeyConditionExpressions must only contain one condition per key"),
        ("id = :one", "One or more parameter values were invalid: Condition parameter type does not match schema type"),
        ("id = n", "Multiple attribute names used in one condition"),
        ("id.x = :a", "KeyConditionExpressions cannot have conditions on nested attributes"),
        ("size(id) = :one", "KeyConditionExpressions cannot contain nested operations"),
    ] {
        let shown = parsed(text).expect_err(text);
        assert!(shown.contains(message), "{text}: {shown}");
    }
}

#[test]
fn placeholders_must_be_well_formed_and_used() {
    let wrong = |names: Value, values: Value| {
        let given = |value: Value| Some(value).filter(|value| !value.is_null());
        let read = Placeholders::read(given(names).as_ref(), given(values).as_ref());
        told(&read.and_then(|read| read.finish(true, &[("FilterExpression", true)])).unwrap_err())
    };
    assert_eq!(wrong(json!({}), Value::Null), "ExpressionAttributeNames must not be empty");
    assert_eq!(wrong(Value::Null, json!({})), "ExpressionAttributeValues must not be empty");
    assert_eq!(wrong(json!({"a": "b"}), Value::Null), "ExpressionAttributeNames contains invalid key: Syntax error; key: \"a\"");
    assert_eq!(
        wrong(Value::Null, json!({":a-b": {"S": ""}})),
        "ExpressionAttributeValues contains invalid key: Syntax error; key: \":a-b\""
    );
    assert_eq!(
        wrong(Value::Null, json!({":a": {"N": "x"}})),
        "ExpressionAttributeValues contains invalid value: The parameter cannot be converted to a numeric value: x for key :a"
    );
    assert_eq!(
        wrong(json!({"#b": "b", "#a": "a"}), Value::Null),
        "Value provided in ExpressionAttributeNames unused in expressions: keys: {#a, #b}"
    );
    assert_eq!(
        wrong(Value::Null, json!({":a": {"S": ""}})),
        "Value provided in ExpressionAttributeValues unused in expressions: keys: {:a}"
    );
    let values = json!({":a": {"S": ""}});
    let unasked = Placeholders::read(None, Some(&values)).unwrap();
    assert_eq!(
        told(&unasked.finish(false, &[("UpdateExpression", false), ("ConditionExpression", false)]).unwrap_err()),
        "ExpressionAttributeValues can only be specified when using expressions: UpdateExpression and ConditionExpression are null"
    );
}
