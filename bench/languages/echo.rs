fn main() {
    std::io::copy(&mut std::io::stdin().lock(), &mut std::io::stdout().lock()).expect("stdin is readable");
}
