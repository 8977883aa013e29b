use super::*;

fn proposal() -> ProposalId {
    "3f0c5c1e-6f0b-4a52-9c33-1f5b2d4c7e10".parse().unwrap()
}

#[test]
fn sandbox_names_are_stream_keys_and_folder_names() {
    for good in ["a", "policy-demo", "build_7", "x.y", "A1"] {
        assert_eq!(good.parse::<SandboxName>().unwrap().as_str(), good);
    }
    for bad in ["", ".", "..", ".x", "-x", "a/b", "a b", "a\n", "ä", &"x".repeat(65)] {
        assert!(bad.parse::<SandboxName>().is_err(), "{bad:?}");
    }
}

#[test]
fn rule_names_fit_a_header_and_are_never_the_reserved_ones() {
    assert!("github_read-only.v1~3f0c5c1e".parse::<RuleName>().is_ok());
    for bad in ["", "a b", "a\r\nX: y", "ä", &"x".repeat(65)] {
        assert!(matches!(bad.parse::<RuleName>(), Err(IdError::RuleName(_))), "{bad:?}");
    }
    assert!(matches!("_provider_x".parse::<RuleName>(), Err(IdError::ReservedRuleName(_))));
}

#[test]
fn a_taken_name_gets_the_short_id_and_still_fits() {
    let name: RuleName = "github".parse().unwrap();
    assert_eq!(name.beside(proposal()).as_str(), "github~3f0c5c1e");
    let long: RuleName = "x".repeat(64).parse().unwrap();
    let beside = long.beside(proposal());
    assert_eq!(beside.as_str().len(), 64);
    assert!(beside.as_str().parse::<RuleName>().is_ok());
}

#[test]
fn the_keys_of_a_grant_begin_with_the_asked_name_unless_it_poses_as_derived() {
    let keys = |name: &str| -> Vec<String> {
        name.parse::<RuleName>().unwrap().keys(proposal()).map(|key| key.to_string()).collect()
    };
    let plain = keys("github");
    assert_eq!(plain[..3], ["github", "github~3f0c5c1e", "github~3f0c5c1e6"]);
    assert_eq!((plain.len(), plain[25].as_str()), (26, "github~3f0c5c1e6f0b4a529c331f5b2d4c7e10"));
    assert_eq!(keys("github~ABCD1234")[0], "github~ABCD1234~3f0c5c1e");
    for plain in ["a~b", "a~1234567", "a~12345678x", "12345678"] {
        assert_eq!(keys(plain)[0], plain);
    }
    assert!(keys(&"x".repeat(64)).iter().all(|key| key.parse::<RuleName>().is_ok()));
}

#[test]
fn a_digest_is_read_back_from_its_text_only() {
    let digest = Digest([0xab; 32]);
    assert_eq!(digest.to_string().parse::<Digest>().unwrap(), digest);
    assert_eq!(digest.short(), "ababab");
    for bad in ["", "ab", &"g".repeat(64), &"ab".repeat(33)] {
        assert!(bad.parse::<Digest>().is_err());
    }
}
