//! Who gives an order on this machine, for the line that is kept of it. It tells colleagues whom to ask, and proves nothing.

use std::path::Path;

/// What Linux says of a process that no login stands behind: a service, a container.
const NOBODY_LOGGED_IN: u32 = u32::MAX;

/// The name of the user that this process runs as; behind it who logged in and became that user, where the system tells.
pub fn operator() -> String {
    let uid = rustix::process::getuid().as_raw();
    // A machine without such a file has no names, only numbers; one without the other does not say who logged in.
    let read = |path: &str| std::fs::read_to_string(Path::new(path)).unwrap_or_default();
    let users = read("/etc/passwd");
    let name = |uid| name_of(&users, uid).map_or_else(|| format!("uid {uid}"), str::to_owned);
    match read("/proc/self/loginuid").trim().parse::<u32>() {
        Ok(login) if login != uid && login != NOBODY_LOGGED_IN => format!("{} (for {})", name(uid), name(login)),
        _ => name(uid),
    }
}

/// The name of a user in the text of `/etc/passwd`: `name:password:uid:...`.
fn name_of(users: &str, uid: u32) -> Option<&str> {
    users.lines().find_map(|line| {
        let mut fields = line.split(':');
        let (name, _password, number) = (fields.next()?, fields.next()?, fields.next()?);
        (number.parse() == Ok(uid)).then_some(name)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_has_the_name_of_its_number() {
        let users = "root:x:0:0::/:/bin/sh\nbroken\nann:x:1000:1000::/:/bin/sh\n";
        assert_eq!(name_of(users, 0), Some("root"));
        assert_eq!(name_of(users, 1000), Some("ann"));
        assert_eq!(name_of(users, 100), None);
    }
}
