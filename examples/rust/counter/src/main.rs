//! Counts the words that it is given.

fn main() {
    let text = std::env::args().skip(1).collect::<Vec<_>>().join(" ");
    println!("{} words", words::count(&text));
}
