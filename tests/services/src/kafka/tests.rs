//! Brokers are started for real here; what a client sees through TLS and SCRAM is tested with the product's client.

use super::*;

#[test]
fn cluster_ids_are_22_characters_and_differ() {
    let (one, two) = (cluster_id(Path::new("/run/kafka-AbCdEf")), cluster_id(Path::new("/run/kafka-AbCdEg")));
    assert_eq!((one.len(), two.len()), (22, 22));
    assert_ne!(one, two);
}

#[test]
fn broker_survives_kill_and_keeps_its_topics() {
    let mut kafka = Kafka::start(KafkaOptions::default()).unwrap();
    let topics: Vec<Topic> =
        (0..5).map(|n| Topic::new(&format!("topic-{n}"), 3, &[("cleanup.policy", "compact")])).collect();
    kafka.create_topics(&topics).unwrap();
    let refused = kafka.create_topic("topic-1", 1, &[]).unwrap_err().to_string();
    assert!(refused.contains("topic-1") && refused.contains("exists"), "{refused}");
    let address = kafka.bootstrap();
    kafka.kill(0).unwrap();
    assert!(kafka.create_topic("late", 1, &[]).unwrap_err().to_string().contains("no broker runs"));
    kafka.restart(0).unwrap();
    assert_eq!(kafka.bootstrap(), address);
    assert!(wire::cluster(address.parse().unwrap()).unwrap().is_led(&topics));
}

#[test]
fn secured_broker_listens_on_every_listener() {
    let user = ScramUser { name: "app".to_owned(), password: "app-secret".to_owned() };
    let kafka = Kafka::start(KafkaOptions { user: Some(user), ..KafkaOptions::default() }).unwrap();
    for listener in [Listener::Plain, Listener::Tls, Listener::ScramPlain, Listener::ScramTls] {
        let address: SocketAddr = kafka.bootstrap_of(listener).parse().unwrap();
        std::net::TcpStream::connect(address).unwrap();
    }
    let certificates = kafka.certificates().unwrap();
    for file in [&certificates.authority, &certificates.client_certificate, &certificates.client_key] {
        assert!(std::fs::read_to_string(file).unwrap().contains("-----BEGIN"));
    }
}

#[test]
fn three_brokers_lose_one_and_get_it_back() {
    let mut kafka = Kafka::start(KafkaOptions { brokers: 3, ..KafkaOptions::default() }).unwrap();
    kafka.create_topic("replicated", 4, &[]).unwrap();
    kafka.wait_in_sync(START_DEADLINE).unwrap();
    let leader = kafka.leader("replicated", 0).unwrap();
    kafka.kill(leader).unwrap();
    assert!(kafka.brokers().iter().filter_map(Broker::process_id).count() == 2);
    let is_led_by_another = || kafka.leader("replicated", 0).is_ok_and(|now| now != leader);
    wait_until("another leader", START_DEADLINE, is_led_by_another).unwrap();
    kafka.restart(leader).unwrap();
    kafka.wait_in_sync(START_DEADLINE).unwrap();
    assert!(kafka.leader("replicated", 4).unwrap_err().to_string().contains("nobody leads"));
    // A new coordinator's own topic is made when somebody first asks for one.
    for of in [Coordinated::Group("some"), Coordinated::Producer("some")] {
        wait_until("a coordinator", START_DEADLINE, || kafka.coordinator(of).is_ok_and(|broker| broker < 3)).unwrap();
    }
}
