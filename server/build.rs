//! `migrate!` does not notice a new file in the folder, so this says to look.
fn main() {
    println!("cargo:rerun-if-changed=../migrations");
    println!("cargo:rerun-if-changed=../templates");
}
