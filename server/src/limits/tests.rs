use super::*;

const SECOND_US: i64 = 1_000_000;

fn address(text: &str) -> IpAddr {
    text.parse().expect("an address")
}

fn from<'a>(text: &str, key: Option<&'a str>) -> Client<'a> {
    Client {
        address: address(text),
        key,
    }
}

fn limits() -> (Limits, WallClock) {
    let wall = WallClock::manual(1_700_000_000 * SECOND_US);
    (Limits::new(LimitSettings::default(), &wall), wall)
}

/// Requests that are let through before the first refusal.
fn allowed(limits: &Limits, class: Class, client: &Client<'_>) -> usize {
    let mut checks = (0..10_000).map(|_| limits.check(class, client));
    checks
        .position(|verdict| matches!(verdict, Verdict::Refused(..)))
        .expect("a limit")
}

#[test]
fn the_headers_are_honest_what_is_said_to_be_left_is_left() {
    let (limits, wall) = limits();
    let client = from("203.0.113.7", None);
    let Verdict::Allowed(first) = limits.check(Class::Read, &client) else {
        panic!("the first request is allowed");
    };
    assert_eq!((first.quota, first.window_s), (120, 12));
    assert_eq!((first.remaining, first.full_in_s), (119, 1));
    assert_eq!(allowed(&limits, Class::Read, &client), 119);
    let Verdict::Refused(standing, wait) = limits.check(Class::Read, &client) else {
        panic!("the bucket is empty");
    };
    assert_eq!((standing.remaining, standing.full_in_s), (0, 12));
    // Whoever waits as told is let in; whoever does not is refused.
    wall.set(wall.now_us() + i64::try_from(wait.as_micros()).expect("short") - 2);
    assert!(matches!(
        limits.check(Class::Read, &client),
        Verdict::Refused(..)
    ));
    wall.set(wall.now_us() + 3);
    assert!(matches!(
        limits.check(Class::Read, &client),
        Verdict::Allowed(_)
    ));
    wall.set(wall.now_us() + 13 * SECOND_US);
    assert_eq!(allowed(&limits, Class::Read, &client), 120);
}

#[test]
fn one_caller_s_flood_leaves_the_others_what_they_had() {
    let (limits, _) = limits();
    limits.prove("ftk_one");
    limits.prove("ftk_two");
    let flood = from("203.0.113.7", Some("ftk_one"));
    assert_eq!(allowed(&limits, Class::Predict, &flood), 200);
    let same_address = from("203.0.113.7", Some("ftk_two"));
    assert_eq!(allowed(&limits, Class::Predict, &same_address), 200);
    // Classes are apart as well.
    assert_eq!(allowed(&limits, Class::Read, &flood), 240);
    assert_eq!(allowed(&limits, Class::Account, &flood), 5);
}

#[test]
fn made_up_and_revoked_keys_count_for_their_address() {
    let (limits, _) = limits();
    let mut let_through = 0;
    for number in 0..500 {
        let key = format!("ftk_made_up_{number}");
        let verdict = limits.check(Class::Read, &from("203.0.113.7", Some(&key)));
        let_through += usize::from(matches!(verdict, Verdict::Allowed(_)));
    }
    assert_eq!(let_through, 120);
    let client = from("203.0.113.7", Some("ftk_real"));
    limits.prove("ftk_real");
    assert_eq!(allowed(&limits, Class::Read, &client), 240);
    limits.disprove("ftk_real");
    let other = from("203.0.113.8", Some("ftk_real"));
    assert_eq!(allowed(&limits, Class::Read, &other), 120);
}

#[test]
fn a_house_with_ipv6_is_one_caller() {
    let (limits, _) = limits();
    let one = from("2001:db8:1:2::1", None);
    assert_eq!(allowed(&limits, Class::Write, &one), 30);
    let same = from("2001:db8:1:2:ffff::9", None);
    assert_eq!(allowed(&limits, Class::Write, &same), 0);
    let next_door = from("2001:db8:1:3::1", None);
    assert_eq!(allowed(&limits, Class::Write, &next_door), 30);
    let mapped = from("::ffff:203.0.113.7", None);
    assert_eq!(allowed(&limits, Class::Write, &mapped), 30);
    let plain = from("203.0.113.7", None);
    assert_eq!(allowed(&limits, Class::Write, &plain), 0);
}

#[test]
fn a_clock_that_is_set_back_locks_nobody_out() {
    let (limits, wall) = limits();
    let client = from("203.0.113.7", None);
    assert_eq!(allowed(&limits, Class::Read, &client), 120);
    wall.set(wall.now_us() - 3_600 * SECOND_US);
    assert_eq!(allowed(&limits, Class::Read, &client), 0);
    wall.set(wall.now_us() + 12 * SECOND_US);
    assert_eq!(allowed(&limits, Class::Read, &client), 120);
}

#[test]
fn places_are_free_again_when_they_are_left() {
    let (limits, _) = limits();
    let client = from("203.0.113.7", None);
    let mut open: Vec<Place> = Vec::new();
    while let Some(place) = limits.open_stream(&client) {
        open.push(place);
    }
    assert_eq!(open.len(), 20);
    assert!(limits.open_stream(&from("203.0.113.8", None)).is_some());
    drop(open.pop());
    let kept = Kept::default();
    let again = kept.clone();
    kept.keep(limits.open_stream(&client).expect("a place is free"));
    drop(kept);
    assert!(limits.open_stream(&client).is_none());
    drop(again);
    assert!(limits.open_stream(&client).is_some());
    drop(open);
    assert_eq!(limits.streams.taken(), 0);
    let connection = limits.open_connection(client.address);
    assert_eq!((limits.connections(), connection.is_some()), (1, true));
}

#[test]
fn a_proxy_is_believed_only_when_it_is_trusted() {
    let trusted: Networks = ["10.0.0.0/8", "::1"]
        .map(|text| text.parse::<Network>().expect("a network"))
        .into_iter()
        .collect();
    let client = |peer, plain: &[&str], named: &[&str]| {
        trusted.client(address(peer), plain, named).to_string()
    };
    assert_eq!(client("203.0.113.7", &["192.0.2.1"], &[]), "203.0.113.7");
    assert_eq!(client("10.1.1.1", &[], &[]), "10.1.1.1");
    assert_eq!(client("10.1.1.1", &["192.0.2.1"], &[]), "192.0.2.1");
    // What the caller wrote itself stands on the left.
    let written = ["1.1.1.1, 192.0.2.9", "10.2.2.2"];
    assert_eq!(client("10.1.1.1", &written, &[]), "192.0.2.9");
    let named = [r#"for="[2001:db8::5]:80";proto=https, for=10.2.2.2"#];
    assert_eq!(client("::1", &[], &named), "2001:db8::5");
    assert_eq!(
        client("::1", &["192.0.2.1"], &["for=192.0.2.1"]),
        "192.0.2.1"
    );
    // Two stories, or none that can be read: the proxy itself.
    assert_eq!(client("::1", &["192.0.2.1"], &["for=192.0.2.2"]), "::1");
    assert_eq!(client("::1", &["unknown"], &[]), "::1");
    assert_eq!(client("::1", &["192.0.2.1:80"], &[]), "192.0.2.1");
    for wrong in ["10.0.0.0/33", "ten", "10.0.0.0/x", ""] {
        wrong.parse::<Network>().expect_err("no network");
    }
    let everything: Network = "0.0.0.0/0".parse().expect("a network");
    assert!(everything.contains(address("203.0.113.7")));
}

#[test]
fn every_route_has_its_class() {
    let of = |method, route| Class::of(method, Some(route));
    assert_eq!(
        of("PUT", "/rounds/{round}/predictions/{model}"),
        Class::Predict
    );
    assert_eq!(
        of("GET", "/rounds/{round}/predictions/{model}"),
        Class::Read
    );
    assert_eq!(of("POST", "/predictions"), Class::Predict);
    assert_eq!(of("POST", "/models"), Class::Write);
    assert_eq!(of("POST", "/models/upload"), Class::Heavy);
    assert_eq!(of("POST", "/accounts"), Class::Account);
    assert_eq!(of("POST", "/runner/jobs/next"), Class::Run);
    assert_eq!(of("GET", "/events"), Class::Stream);
    assert_eq!(of("GET", "/events/recent"), Class::Read);
    assert_eq!(Class::of("GET", None), Class::Read);
    assert_eq!(Class::of("BREW", None), Class::Write);
}

#[test]
fn a_file_changes_what_it_names_and_is_refused_when_it_makes_no_sense() {
    let file = "[read]\nkey = { requests = 10, per_s = 1, burst = 5 }\n[streams]\nper_key = 2\n";
    let settings = LimitSettings::parse(file).expect("a file");
    let expected = Rate {
        requests: 10,
        per_s: 1,
        burst: 5,
    };
    assert_eq!(
        (settings.read.key, settings.read.address),
        (Some(expected), None)
    );
    assert_eq!(settings.predict, LimitSettings::default().predict);
    assert_eq!(
        (settings.streams.per_key, settings.streams.per_address),
        (2, 20)
    );
    for wrong in [
        "[raed]\n",
        "[read]\nkey = { requests = 0, per_s = 1, burst = 5 }\n",
        "[connections]\ntotal = 0\n",
        "read",
    ] {
        LimitSettings::parse(wrong).expect_err("makes no sense");
    }
    let wall = WallClock::manual(0);
    let off = Limits::new(LimitSettings::off(), &wall);
    let client = from("203.0.113.7", None);
    assert_eq!(off.check(Class::Account, &client), Verdict::Unlimited);
}
