//! Each form of the language, each fault at its place, and no panic on anything.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use super::{CHARACTERS_MAX, DEPTH_MAX, FieldUse, NODES_MAX, SyntaxError, parse};
use crate::types::{Comparison, Condition, FilterNode};

/// A filter in one line: text is `"a"`, words are `~"a"`, and a child must stand before its parent.
fn show(nodes: &[FilterNode]) -> String {
    let list = |name: &str, children: &[u32], before: &[String]| {
        let shown: Vec<&str> = children.iter().map(|child| before[*child as usize].as_str()).collect();
        format!("{name}({})", shown.join(" "))
    };
    let mut shown: Vec<String> = Vec::new();
    for node in nodes {
        shown.push(match node {
            FilterNode::All(children) => list("all", children, &shown),
            FilterNode::Any(children) => list("any", children, &shown),
            FilterNode::Negate(child) => list("not", &[*child], &shown),
            FilterNode::Condition(Condition { path, comparison }) => format!("{path} {}", show_comparison(comparison)),
        });
    }
    shown.pop().unwrap_or_default()
}

fn show_comparison(comparison: &Comparison) -> String {
    use crate::types::Scalar;
    let scalar = |value: &Scalar| match value {
        Scalar::Null => "null".to_owned(),
        Scalar::Boolean(value) => value.to_string(),
        Scalar::Number(value) => value.to_string(),
        Scalar::Text(text) => format!("{text:?}"),
    };
    match comparison {
        Comparison::Eq(value) => format!("= {}", scalar(value)),
        Comparison::OneOf(values) => format!("in {}", values.iter().map(scalar).collect::<Vec<_>>().join(",")),
        Comparison::Less(value) => format!("< {}", scalar(value)),
        Comparison::LessOrEqual(value) => format!("<= {}", scalar(value)),
        Comparison::Greater(value) => format!("> {}", scalar(value)),
        Comparison::GreaterOrEqual(value) => format!(">= {}", scalar(value)),
        Comparison::Prefix(prefix) => format!("starts {prefix:?}"),
        Comparison::Words(words) => format!("~ {words:?}"),
        Comparison::Exists => "exists".to_owned(),
    }
}

#[track_caller]
fn means(input: &str, text: &str, filter: &str) {
    let parsed = parse(input).unwrap();
    assert_eq!((parsed.text.as_str(), show(&parsed.filter).as_str()), (text, filter), "{input}");
}

#[track_caller]
fn refused(input: &str, at: u32, part: &str) {
    let error = parse(input).unwrap_err();
    assert_eq!(error.at, at, "{input}: {error}");
    assert!(error.message.contains(part), "{input}: {error}");
}

/// What people paste must be searched for as it is: addresses, times, code, options of commands.
#[test]
fn plain_words_are_only_scored() {
    means("", "", "");
    means(" \n\t ", "", "");
    means("  spring \u{3000} tide\n", "spring tide", "");
    for plain in [
        "http://skerry.example/a?b",
        "12:30",
        "note:",
        ":smile:",
        "std::vec::Vec",
        "größe:5",
        "-",
        "+",
        "--verbose",
        "++i",
        "well-known",
        "C++",
        "a*b*",
        "or",
        "ORDER",
        "AND",
        "a,b",
        "<5",
        "tail\\",
    ] {
        means(plain, plain, "");
    }
    means("note: tide", "note: tide", "");
    means("a - b + c", "a - b + c", "");
}

/// The operators on words of the record's text.
#[test]
fn words_that_must_and_must_not_occur() {
    means("spring \"High  Water\" noon", "spring High Water noon", r#"text ~ "High  Water""#);
    means("\"a\"b", "a b", r#"text ~ "a""#);
    means("+tide table", "tide table", r#"text ~ "tide""#);
    means("tide -neap", "tide", r#"not(text ~ "neap")"#);
    means("-\"neap tide\" -CWE-79", "", r#"all(not(text ~ "neap tide") not(text ~ "CWE-79"))"#);
    means("-12:30 -OR", "", r#"all(not(text ~ "12:30") not(text ~ "OR"))"#);
}

/// Each form of a value. A bare one may be text or what it reads as; a quoted one is text.
#[test]
fn fields() {
    means("layer:web", "", r#"any(layer = "web" layer ~ "web")"#);
    means("a.b:\"New York\"", "", r#"any(data.a.b = "New York" data.a.b ~ "New York")"#);
    means("n:7", "", r#"any(data.n = "7" data.n = 7 data.n ~ "7")"#);
    means("n:-1.5e1", "", r#"any(data.n = "-1.5e1" data.n = -15 data.n ~ "-1.5e1")"#);
    means("n:\"7\"", "", r#"any(data.n = "7" data.n ~ "7")"#);
    means("b:true", "", r#"any(data.b = "true" data.b = true data.b ~ "true")"#);
    means("b:false", "", r#"any(data.b = "false" data.b = false data.b ~ "false")"#);
    means("metadata.x:null", "", r#"any(metadata.x = "null" metadata.x = null metadata.x ~ "null")"#);
    means("n:nan", "", r#"any(data.n = "nan" data.n ~ "nan")"#);
    means("n:1e999", "", r#"any(data.n = "1e999" data.n ~ "1e999")"#);
    means("mark:🦀", "", r#"data.mark = "🦀""#);
    means("url:http://x", "", r#"any(data.url = "http://x" data.url ~ "http://x")"#);
    means("key:7", "", r#"key = "7""#);
    means("key:\"a b\"", "", r#"key = "a b""#);
    means("key:a..b", "", r#"key = "a..b""#);
    means("-layer:web", "", r#"not(any(layer = "web" layer ~ "web"))"#);
    means("+link.type:*", "", "link.type exists");
    means("link.key:rust*", "", r#"link.key starts "rust""#);
    means("data.n:>7 n:>=7 n:<7 n:<=.5", "", "all(data.n > 7 data.n >= 7 data.n < 7 data.n <= 0.5)");
    means("day:>=2024-01-31 key:<7", "", r#"all(data.day >= "2024-01-31" key < "7")"#);
    means("day:>\"31 May\"", "", r#"data.day > "31 May""#);
    means("n:3..9 n:-1.5..", "", "all(all(data.n >= 3 data.n <= 9) data.n >= -1.5)");
    means("n:..9", "", "data.n <= 9");
    means("layer:(web, \"a b\" ,7)", "", r#"layer in "web","a b","7",7"#);
    means("key:(7,x)tide", "tide", r#"key in "7","x""#);
}

/// `OR` joins the two terms beside it and nothing further; its words must occur.
#[test]
fn alternatives_and_groups() {
    means(
        "(layer:web OR layer:mobile) -java",
        "",
        r#"all(any(any(layer = "web" layer ~ "web") any(layer = "mobile" layer ~ "mobile")) not(text ~ "java"))"#,
    );
    means("a OR b c", "a b c", r#"any(text ~ "a" text ~ "b")"#);
    means("a OR b OR -c", "a b", r#"any(text ~ "a" text ~ "b" not(text ~ "c"))"#);
    means("(a b) OR \"c\"", "a b c", r#"any(all(text ~ "a" text ~ "b") text ~ "c")"#);
    means("\"a\"OR(b)", "a b", r#"any(text ~ "a" text ~ "b")"#);
    means("(a (b c))", "a b c", "");
    means("+(a b) d", "a b d", r#"all(text ~ "a" text ~ "b")"#);
    means("-(a \"b\" -c)", "", r#"not(all(text ~ "a" text ~ "b" not(text ~ "c")))"#);
    means("a \\OR b", "a OR b", "");
}

/// An escaped character has no meaning of its own, wherever it stands.
#[test]
fn escapes() {
    means(r"layer\:web", "layer:web", "");
    means(r"\-neap \+a \(b\)", "-neap +a (b)", "");
    means(r#"\"a \\ b"#, r#""a \ b"#, "");
    means(r#""say \"tide\"""#, r#"say "tide""#, r#"text ~ "say \"tide\"""#);
    means(r"place:New\ York*", "", r#"data.place starts "New York""#);
    means(r"n:\7", "", r#"any(data.n = "7" data.n ~ "7")"#);
    means(r"n:5\*", "", r#"any(data.n = "5*" data.n ~ "5*")"#);
    means(r"n:\*", "", r#"data.n = "*""#);
    means(r"n:a\..b", "", r#"any(data.n = "a..b" data.n ~ "a..b")"#);
    means(r"n:\>7", "", r#"any(data.n = ">7" data.n ~ ">7")"#);
    means(r"n:(a\,b)", "", r#"data.n in "a,b""#);
}

/// An unknown field is reported later, by who knows the records; it must be pointed at where its name stands.
#[test]
fn fields_are_placed_in_characters() {
    let of = |input: &str| parse(input).unwrap().fields;
    let at = |path: &str, at| FieldUse { path: path.to_owned(), at };
    assert_eq!(of("👩‍🚀 -x.y:7 (key:a OR data.z:*)"), [at("data.x.y", 5), at("key", 12), at("data.z", 21)]);
    assert_eq!(of(r"a\🦀b layer:x"), [at("layer", 5)]);
    assert_eq!(of("tide \"a:b\""), []);
}

/// Every fault is pointed at exactly and says what to write instead.
#[test]
fn faults_are_placed() {
    refused("🦀🦀 \"tide", 3, "add `\"`");
    refused("a:\"tide", 2, "add `\"`");
    refused("(a (b)", 0, "add `)`");
    refused(r"a\🦀 (b", 4, "add `)`");
    refused("a )", 2, "remove it");
    refused("(a))", 3, "remove it");
    refused("a ()", 2, r"`\(\)`");
    refused("\"\"", 0, "between the quotes");
    refused("n:\"\"", 2, "between the quotes");
    refused("n:> 7", 3, "without a blank");
    refused("n:>=", 4, "without a blank");
    refused("n:()", 3, "`field:(a, b, c)`");
    refused("n:(a,)", 5, "`field:(a, b, c)`");
    refused("n:(,a)", 3, "`field:(a, b, c)`");
    refused("n:(a, b", 2, "add `)`");
    refused("n:(a, ", 2, "add `)`");
    refused("n:(a b)", 5, "a comma");
    refused("n:(a (b))", 5, "a comma");
    refused("n:..", 2, "`3..9`");
    refused("🦀 n:a..9", 4, "`3..9`");
    refused("n:3..x", 2, "`3..9`");
    refused("OR a", 0, r"`\OR`");
    refused("a OR", 2, r"`\OR`");
    refused("a OR OR b", 2, r"`\OR`");
    refused("(a OR) b", 3, r"`\OR`");
    refused("(OR b)", 1, r"`\OR`");
    refused("a \"?!\"", 2, "no letter or digit");
    refused("a OR 🦀", 5, "no letter or digit");
    assert_eq!(parse("a )").unwrap_err().to_string()[..17], *"at character 2: t");
}

/// The forms shown to users are read, and the fault shown to them is the one they get.
#[test]
fn the_documentation_holds() {
    let page = include_str!("../../../../docs/query-language.md");
    let forms: Vec<&str> = page.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next()).collect();
    assert!(forms.len() > 30, "{forms:?}");
    forms.iter().for_each(|form| assert!(parse(form).is_ok(), "{form}: {:?}", parse(form)));
    let lines: Vec<&str> = page.lines().filter_map(|line| line.strip_prefix("    ")).collect();
    assert!(parse(lines[0]).is_ok());
    let (before, message) = lines[2].split_once("^ ").unwrap();
    assert_eq!(parse(lines[1]).unwrap_err(), SyntaxError { at: before.len() as u32, message: message.to_owned() });
    means(
        "state:open layer:web OR layer:mobile",
        "",
        &show(&parse("state:open (layer:web OR layer:mobile)").unwrap().filter),
    );
}

/// A hostile query must not overflow the stack or flood a segment.
#[test]
fn size_and_depth_are_bounded() {
    let nested = |depth: usize| format!("{}a{}", "(".repeat(depth), ")".repeat(depth));
    means(&nested(DEPTH_MAX), "a", "");
    refused(&nested(DEPTH_MAX + 1), DEPTH_MAX as u32, "at most 32 deep");
    means(&"🦀".repeat(CHARACTERS_MAX), &"🦀".repeat(CHARACTERS_MAX), "");
    refused(&"é".repeat(CHARACTERS_MAX + 1), CHARACTERS_MAX as u32, "8192 characters");
    refused(&r"\a".repeat(CHARACTERS_MAX), CHARACTERS_MAX as u32, "8192 characters");
    // One node each, and one that joins them.
    let wide = "+a ".repeat(NODES_MAX - 1);
    assert_eq!(parse(&wide).unwrap().filter.len(), NODES_MAX);
    refused(&format!("{wide} 🦀 +b"), 3_000, "more than 1000");
    refused(&"+a ".repeat(NODES_MAX + 1), 3 * NODES_MAX as u32, "more than 1000");
}

/// Queries come from people and from models: whatever they write is answered, and every answer keeps its promises.
#[test]
fn nothing_panics() {
    let alphabet: Vec<char> = "\"\"()()\\-+:::.*<>=,  OORRab7_/é🦀\n".chars().collect();
    let (mut state, mut read) = (0x9E37_79B9_7F4A_7C15_u64, 0);
    let mut next = |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state % below as u64) as usize
    };
    for _ in 0..20_000 {
        let length = next(24);
        let input: String = (0..length).map(|_| alphabet[next(alphabet.len())]).collect();
        match parse(&input) {
            Ok(parsed) => {
                read += 1;
                // Indexing inside fails on a child that does not stand before its parent.
                show(&parsed.filter);
                assert!(parsed.fields.iter().all(|field| (field.at as usize) < length), "{input:?}");
                assert_eq!(parsed.text, parsed.text.split_whitespace().collect::<Vec<_>>().join(" "), "{input:?}");
            }
            Err(error) => assert!(error.at as usize <= length && !error.message.is_empty(), "{input:?}: {error}"),
        }
    }
    assert!(read > 1_000, "only {read} of the inputs could be read; the test looks at too little");
}
