//! The calls whose vectors every host must give the same bits of, and the digest of those. The SDKs are tested with them, too.

/// SHA-256 of the vectors of [`calls`], as little-endian `f32` one after another.
///
/// It changes with the arithmetic, and then so must the revision in the model's id, because vectors of two kinds must not be
/// compared. The failing test prints the new one; put it here when all of them print the same.
pub(crate) const DIGEST: &str = "e7668107c7ff4fa712747979e3ecd6c79dacc08987e54ca74b169ae4b61fa3eb";

/// Calls with one text and with several: golden texts, long ones, and such that tokenizers stumble over.
pub(crate) fn calls(golden: Vec<String>) -> Vec<Vec<String>> {
    let long = |words: usize| golden.iter().flat_map(|text| text.split(' ')).cycle().take(words).collect::<Vec<_>>();
    let hard = [
        "",
        " \t\r\n",
        "\u{0}\u{1}\u{fffd}\u{200b}\u{ad}",
        "!!! ??? ... ,,, ((( )))",
        "Ünïcödé ÀÉÎÕÜ ﬁ ﬂ Ǆ İstanbul ß ẞ",
        "潮汐 漲潮 高潮 조수 潮の満ち引き",
        "مد وجزر גאות ושפל",
        "🌊🚢⚓️👩‍👩‍👧‍👦🇳🇴",
        "a\u{301}\u{302}\u{303}\u{304}\u{305}",
        "supercalifragilisticexpialidocious-antidisestablishmentarianism",
        "0123456789 3.14159e-10 0xdeadbeef 1/2 ½ ²",
        "fn main() { println!(\"{:?}\", [0u8; 16]); }",
    ];
    let mut texts: Vec<String> = hard.map(str::to_owned).into();
    texts.push("x".repeat(5_000));
    texts.push("the ".repeat(1_000));
    texts.extend([30, 62, 63, 64, 127, 400].map(|words| long(words).join(" ")));
    let mut calls: Vec<Vec<String>> = texts.iter().map(|text| vec![text.clone()]).collect();
    calls.push(golden);
    // Short and long ones by turns, since what one leaves behind must not reach the next.
    calls.push(vec![texts[1].clone(), texts[13].clone(), texts[0].clone(), texts[7].clone(), texts[16].clone()]);
    calls
}
