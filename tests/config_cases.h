/* config_cases.h - what Apache Kafka 4.3.0 said to a server.properties with one thing changed.
 *
 * Each row: keys set (or, without '=', taken out) over the five lines of t_config.c's base file, and
 * Kafka's message; NULL: it starts. Taken from KafkaConfig itself, not from reading it. */
static const struct {
	const char *change, *message;
} startup[] = {
	{ "num.partitions=4", NULL },
	{ "node.id", "Missing required configuration \"node.id\" which has no default value." },
	{ "process.roles",
	    "Missing required configuration \"process.roles\" which has no default value." },
	{ "process.roles=",
	    "Configuration 'process.roles' must not be empty. Valid values include: [broker, "
	    "controller]" },
	{ "process.roles=broker,foo",
	    "Invalid value foo for configuration process.roles: String must be one of: "
	    "broker, controller" },
	{ "process.roles=broker,broker",
	    "requirement failed: If process.roles contains just the 'broker' role, the node "
	    "id 1 must not be included in the set of voters controller.quorum.voters=Set(1)" },
	{ "process.roles=broker,", "Configuration 'process.roles' values must not be empty." },
	{ "node.id=-1", "Invalid value -1 for configuration node.id: Value must be at least 0" },
	{ "broker.id=5", "You must set `node.id` to the same value as `broker.id`." },
	{ "broker.id=5;node.id",
	    "requirement failed: If process.roles contains the 'controller' role, the node "
	    "id 5 must be included in the set of voters controller.quorum.voters=Set(1)" },
	{ "num.partitions=0",
	    "Invalid value 0 for configuration num.partitions: Value must be at least 1" },
	{ "num.partitions=1.5",
	    "Invalid value 1.5 for configuration num.partitions: Not a number of type INT" },
	{ "num.partitions=",
	    "Invalid value  for configuration num.partitions: Not a number of type INT" },
	{ "num.partitions= 7 ", NULL },
	{ "num.partitions=99999999999",
	    "Invalid value 99999999999 for configuration num.partitions: Not a number of "
	    "type INT" },
	{ "compression.lz4.level=18",
	    "Invalid value 18 for configuration compression.lz4.level: Value must be no more "
	    "than 17" },
	{ "compression.gzip.level=0",
	    "Invalid value 0 for configuration compression.gzip.level: Value must be between "
	    "1 and 9 or equal to -1" },
	{ "compression.gzip.level=10",
	    "Invalid value 10 for configuration compression.gzip.level: Value must be "
	    "between 1 and 9 or equal to -1" },
	{ "compression.type=brotli",
	    "Invalid value brotli for configuration compression.type: String must be one of: "
	    "uncompressed, zstd, lz4, snappy, gzip, producer" },
	{ "compression.type=",
	    "Invalid value  for configuration compression.type: String must be one of: "
	    "uncompressed, zstd, lz4, snappy, gzip, producer" },
	{ "auto.create.topics.enable=yes",
	    "Invalid value yes for configuration auto.create.topics.enable: Expected value "
	    "to be either true or false" },
	{ "auto.create.topics.enable=TRUE", NULL },
	{ "auto.create.topics.enable=",
	    "Invalid value  for configuration auto.create.topics.enable: Expected value to "
	    "be either true or false" },
	{ "log.segment.bytes=1",
	    "Invalid value 1 for configuration log.segment.bytes: Value must be at least 1048576" },
	{ "log.cleaner.min.cleanable.ratio=2",
	    "Invalid value 2.0 for configuration log.cleaner.min.cleanable.ratio: Value must "
	    "be no more than 1" },
	{ "log.cleaner.min.cleanable.ratio=x",
	    "Invalid value x for configuration log.cleaner.min.cleanable.ratio: Not a number "
	    "of type DOUBLE" },
	{ "offsets.topic.replication.factor=70000",
	    "Invalid value 70000 for configuration offsets.topic.replication.factor: Not a "
	    "number of type SHORT" },
	{ "offsets.topic.replication.factor=x",
	    "Invalid value x for configuration offsets.topic.replication.factor: Not a "
	    "number of type SHORT" },
	{ "log.cleanup.policy=foo",
	    "Invalid value foo for configuration log.cleanup.policy: String must be one of: "
	    "compact, delete" },
	{ "log.cleanup.policy=", NULL },
	{ "log.cleanup.policy=delete,delete", NULL },
	{ "log.cleanup.policy=delete,,compact",
	    "Configuration 'log.cleanup.policy' values must not be empty." },
	{ "log.cleanup.policy=compact, delete", NULL },
	{ "controller.quorum.voters=",
	    "If using process.roles, either controller.quorum.bootstrap.servers must contain "
	    "the set of bootstrap controllers or controller.quorum.voters must contain a "
	    "parseable set of controllers." },
	{ "controller.quorum.voters=foo",
	    "Invalid configuration value for controller.quorum.voters. Each entry should be "
	    "in the form `{id}@{host}:{port}`." },
	{ "controller.quorum.voters=1@127.0.0.1",
	    "Failed to parse host name from entry 1@127.0.0.1 for the configuration "
	    "controller.quorum.voters. Each entry should be in the form `{id}@{host}:{port}`." },
	{ "controller.quorum.voters=1@127.0.0.1:x",
	    "Failed to parse host name from entry 1@127.0.0.1:x for the configuration "
	    "controller.quorum.voters. Each entry should be in the form `{id}@{host}:{port}`." },
	{ "controller.quorum.voters=x@127.0.0.1:9",
	    "Failed to parse voter ID as an integer from x" },
	{ "controller.quorum.voters=2@127.0.0.1:9",
	    "requirement failed: If process.roles contains the 'controller' role, the node "
	    "id 1 must be included in the set of voters controller.quorum.voters=Set(2)" },
	{ "controller.quorum.voters=1@0.0.0.0:0,2@127.0.0.1:9", NULL },
	{ "controller.quorum.voters=1@127.0.0.1:2,1@127.0.0.1:3", NULL },
	{ "controller.quorum.voters",
	    "If using process.roles, either controller.quorum.bootstrap.servers must contain "
	    "the set of bootstrap controllers or controller.quorum.voters must contain a "
	    "parseable set of controllers." },
	{ "controller.quorum.voters;controller.quorum.bootstrap.servers=",
	    "If using process.roles, either controller.quorum.bootstrap.servers must contain "
	    "the set of bootstrap controllers or controller.quorum.voters must contain a "
	    "parseable set of controllers." },
	{ "controller.quorum.voters;controller.quorum.bootstrap.servers=foo",
	    "Failed to parse host name from foo for the configuration "
	    "controller.quorum.bootstrap.servers. Each entry should be in the form "
	    "\"{host}:{port}\"" },
	{ "controller.quorum.voters;controller.quorum.bootstrap.servers=127.0.0.1:9", NULL },
	{ "controller.quorum.voters;controller.quorum.bootstrap.servers=127.0.0.1:9,127.0.0.1:9",
	    NULL },
	{ "controller.quorum.bootstrap.servers=127.0.0.1:9", NULL },
	{ "controller.listener.names=",
	    "Configuration 'controller.listener.names' must not be empty. Valid values "
	    "include: any non-empty value" },
	{ "controller.listener.names",
	    "Missing required configuration \"controller.listener.names\" which has no "
	    "default value." },
	{ "controller.listener.names=FOO",
	    "Error creating broker listeners from '[PLAINTEXT://127.0.0.1:1, "
	    "CONTROLLER://127.0.0.1:2]': No security protocol defined for listener CONTROLLER" },
	{ "controller.listener.names=CONTROLLER,CONTROLLER", NULL },
	{ "controller.listener.names=PLAINTEXT",
	    "Error creating broker listeners from '[PLAINTEXT://127.0.0.1:1, "
	    "CONTROLLER://127.0.0.1:2]': No security protocol defined for listener CONTROLLER" },
	{ "controller.listener.names=CONTROLLER,PLAINTEXT",
	    "requirement failed: There must be at least one broker advertised listener. "
	    "Perhaps all listeners appear in controller.listener.names?" },
	{ "process.roles=broker",
	    "requirement failed: If process.roles contains just the 'broker' role, the node "
	    "id 1 must not be included in the set of voters controller.quorum.voters=Set(1)" },
	{ "process.roles=broker;controller.quorum.voters=2@127.0.0.1:2",
	    "requirement failed: controller.listener.names must not contain a value "
	    "appearing in the 'listeners' configuration when running KRaft with just the "
	    "broker role" },
	{ "process.roles=broker;controller.quorum.voters=2@127.0.0.1:2;listeners=PLAINTEXT://:9092",
	    NULL },
	{ "process.roles=broker;controller.quorum.voters=2@127.0.0.1:2;"
	    "listeners=PLAINTEXT://:9092;controller.listener.names",
	    "Missing required configuration \"controller.listener.names\" which has no "
	    "default value." },
	{ "process.roles=broker;controller.quorum.voters=2@127.0.0.1:2;"
	    "listeners=PLAINTEXT://:9092;controller.listener.names=SSL",
	    NULL },
	{ "process.roles=broker;controller.quorum.voters=2@127.0.0.1:2;"
	    "listeners=PLAINTEXT://:9092;controller.listener.names=FOO",
	    NULL },
	{ "process.roles=broker;controller.quorum.voters=2@127.0.0.1:2;"
	    "listeners=PLAINTEXT://:9092,SSL://:9093;controller.listener.names=SSL",
	    "requirement failed: controller.listener.names must not contain a value "
	    "appearing in the 'listeners' configuration when running KRaft with just the "
	    "broker role" },
	{ "process.roles=controller",
	    "requirement failed: The listeners config must only contain KRaft controller "
	    "listeners from controller.listener.names when process.roles=controller" },
	{ "process.roles=controller;listeners=CONTROLLER://:9093", NULL },
	{ "process.roles=controller;listeners=CONTROLLER://:9093;"
	    "advertised.listeners=PLAINTEXT://a:1",
	    NULL },
	{ "process.roles=controller;listeners=CONTROLLER://:9093;"
	    "advertised.listeners=CONTROLLER://a:1",
	    NULL },
	{ "process.roles=controller;listeners=CONTROLLER://:9093;controller.quorum.voters=2@a:1",
	    "requirement failed: If process.roles contains the 'controller' role, the node "
	    "id 1 must be included in the set of voters controller.quorum.voters=Set(2)" },
	{ "process.roles=controller;listeners=CONTROLLER://:9093,PLAINTEXT://:9092",
	    "requirement failed: The listeners config must only contain KRaft controller "
	    "listeners from controller.listener.names when process.roles=controller" },
	{ "listeners",
	    "requirement failed: controller.listener.names must contain at least one value "
	    "appearing in the 'listeners' configuration when running the KRaft controller "
	    "role" },
	{ "listeners=",
	    "Configuration 'listeners' must not be empty. Valid values include: any "
	    "non-empty value" },
	{ "listeners=PLAINTEXT://127.0.0.1:1",
	    "requirement failed: controller.listener.names must contain at least one value "
	    "appearing in the 'listeners' configuration when running the KRaft controller "
	    "role" },
	{ "listeners=PLAINTEXT://127.0.0.1:1,CONTROLLER://127.0.0.1:1",
	    "Error creating broker listeners from '[PLAINTEXT://127.0.0.1:1, "
	    "CONTROLLER://127.0.0.1:1]': If you have two listeners on the same port then one "
	    "needs to be IPv4 and the other IPv6, listeners: [PLAINTEXT://127.0.0.1:1, "
	    "CONTROLLER://127.0.0.1:1], port: 1" },
	{ "listeners=PLAINTEXT://127.0.0.1:1,PLAINTEXT://127.0.0.1:2,CONTROLLER://127.0.0.1:3",
	    "Error creating broker listeners from '[PLAINTEXT://127.0.0.1:1, "
	    "PLAINTEXT://127.0.0.1:2, CONTROLLER://127.0.0.1:3]': Each listener must have a "
	    "different name, listeners: [PLAINTEXT://127.0.0.1:1, PLAINTEXT://127.0.0.1:2, "
	    "CONTROLLER://127.0.0.1:3]" },
	{ "listeners=foo,CONTROLLER://127.0.0.1:3", "Unable to parse a listener name from foo" },
	{ "listeners=PLAINTEXT://127.0.0.1,CONTROLLER://127.0.0.1:3",
	    "Error creating broker listeners from '[PLAINTEXT://127.0.0.1, "
	    "CONTROLLER://127.0.0.1:3]': Unable to parse PLAINTEXT://127.0.0.1 to a broker "
	    "endpoint" },
	{ "listeners=PLAINTEXT://127.0.0.1:x,CONTROLLER://127.0.0.1:3",
	    "Error creating broker listeners from '[PLAINTEXT://127.0.0.1:x, "
	    "CONTROLLER://127.0.0.1:3]': Unable to parse PLAINTEXT://127.0.0.1:x to a broker "
	    "endpoint" },
	{ "listeners=PLAINTEXT://127.0.0.1:99999,CONTROLLER://127.0.0.1:3", NULL },
	{ "listeners=FOO://127.0.0.1:1,CONTROLLER://127.0.0.1:3",
	    "Error creating broker listeners from '[FOO://127.0.0.1:1, "
	    "CONTROLLER://127.0.0.1:3]': No security protocol defined for listener FOO" },
	{ "listeners=FOO://127.0.0.1:1,CONTROLLER://127.0.0.1:3;"
	    "listener.security.protocol.map=FOO:PLAINTEXT,CONTROLLER:PLAINTEXT",
	    "requirement failed: inter.broker.listener.name must be a listener name defined "
	    "in advertised.listeners. The valid options based on currently configured "
	    "listeners are FOO" },
	{ "listeners=FOO://127.0.0.1:1,CONTROLLER://127.0.0.1:3;"
	    "listener.security.protocol.map=FOO:PLAINTEXT,CONTROLLER:PLAINTEXT;"
	    "inter.broker.listener.name=FOO",
	    NULL },
	{ "listeners=foo://127.0.0.1:1,CONTROLLER://127.0.0.1:3;"
	    "listener.security.protocol.map=FOO:PLAINTEXT,CONTROLLER:PLAINTEXT;"
	    "inter.broker.listener.name=FOO",
	    NULL },
	{ "listeners=FOO://127.0.0.1:1,CONTROLLER://127.0.0.1:3;"
	    "listener.security.protocol.map=FOO:PLAINTEXT",
	    "Error creating broker listeners from '[FOO://127.0.0.1:1, "
	    "CONTROLLER://127.0.0.1:3]': No security protocol defined for listener CONTROLLER" },
	{ "listeners=FOO://127.0.0.1:1,CONTROLLER://127.0.0.1:3;"
	    "listener.security.protocol.map=FOO:BAR",
	    "Invalid security protocol `BAR` defined in listener.security.protocol.map" },
	{ "listeners=FOO://127.0.0.1:1,CONTROLLER://127.0.0.1:3;listener.security.protocol.map=FOO",
	    "Error parsing configuration property 'listener.security.protocol.map': begin 0, "
	    "end -1, length 3" },
	{ "inter.broker.listener.name=BAR",
	    "Listener with name BAR defined in inter.broker.listener.name not found in "
	    "listener.security.protocol.map." },
	{ "inter.broker.listener.name=CONTROLLER",
	    "requirement failed: inter.broker.listener.name must be a listener name defined "
	    "in advertised.listeners. The valid options based on currently configured "
	    "listeners are PLAINTEXT" },
	{ "inter.broker.listener.name=PLAINTEXT;security.inter.broker.protocol=PLAINTEXT",
	    "Only one of inter.broker.listener.name and security.inter.broker.protocol "
	    "should be set." },
	{ "security.inter.broker.protocol=FOO",
	    "Invalid value FOO for configuration security.inter.broker.protocol: String must "
	    "be one of: PLAINTEXT, SSL, SASL_PLAINTEXT, SASL_SSL" },
	{ "security.inter.broker.protocol=SSL",
	    "requirement failed: inter.broker.listener.name must be a listener name defined "
	    "in advertised.listeners. The valid options based on currently configured "
	    "listeners are PLAINTEXT" },
	{ "listeners=PLAINTEXT://0.0.0.0:1,CONTROLLER://127.0.0.1:2",
	    "requirement failed: advertised.listeners cannot use the nonroutable "
	    "meta-address 0.0.0.0. Use a routable IP address." },
	{ "listeners=PLAINTEXT://:1,CONTROLLER://127.0.0.1:2", NULL },
	{ "listeners=PLAINTEXT://0.0.0.0:1,CONTROLLER://127.0.0.1:2;"
	    "advertised.listeners=PLAINTEXT://0.0.0.0:1",
	    "requirement failed: advertised.listeners cannot use the nonroutable "
	    "meta-address 0.0.0.0. Use a routable IP address." },
	{ "advertised.listeners=PLAINTEXT://h:1,SSL://h:2",
	    "requirement failed: advertised.listeners listener names must be equal to or a "
	    "subset of the ones defined in listeners. Found PLAINTEXT,SSL. The valid options "
	    "based on the current configuration are PLAINTEXT,CONTROLLER" },
	{ "advertised.listeners=PLAINTEXT://h:1,CONTROLLER://h:2", NULL },
	{ "advertised.listeners=foo",
	    "Error creating broker listeners from '[foo]': Unable to parse foo to a broker "
	    "endpoint" },
	{ "advertised.listeners=",
	    "Configuration 'advertised.listeners' must not be empty. Valid values include: "
	    "any non-empty value" },
	{ "advertised.listeners=PLAINTEXT://:1", NULL },
	{ "listeners=PLAINTEXT://[::1]:1,CONTROLLER://127.0.0.1:3", NULL },
	{ "listeners=PLAINTEXT://127.0.0.1:1,SSL://[::1]:1,CONTROLLER://127.0.0.1:3",
	    "Error creating broker listeners from '[PLAINTEXT://127.0.0.1:1, SSL://[::1]:1, "
	    "CONTROLLER://127.0.0.1:3]': No security protocol defined for listener CONTROLLER" },
	{ "early.start.listeners=FOO",
	    "early.start.listeners contains listener FOO, but this is not contained in "
	    "listeners or controller.listener.names" },
	{ "log.dirs=",
	    "Configuration 'log.dirs' must not be empty. Valid values include: any non-empty "
	    "value" },
	{ "log.dirs;log.dir=",
	    "Configuration 'log.dir' must not be empty. Valid values include: any non-empty "
	    "value" },
	{ "log.dirs=/a,/a", NULL },
	{ "log.dirs=/a,", "Configuration 'log.dirs' values must not be empty." },
	{ "cordoned.log.dirs=/b",
	    "requirement failed: All entries in cordoned.log.dirs must be present in "
	    "log.dirs or log.dir. Missing entries : /b" },
	{ "cordoned.log.dirs=*", NULL },
	{ "metadata.log.dir=/q", NULL },
	{ "log.retention.ms=0",
	    "requirement failed: log.retention.ms must be unlimited (-1) or, greater than or "
	    "equal to 1" },
	{ "log.retention.ms=-5", NULL },
	{ "log.retention.hours=0",
	    "requirement failed: log.retention.ms must be unlimited (-1) or, greater than or "
	    "equal to 1" },
	{ "log.retention.minutes=0",
	    "requirement failed: log.retention.ms must be unlimited (-1) or, greater than or "
	    "equal to 1" },
	{ "log.retention.hours=-1", NULL },
	{ "log.retention.bytes=-2", NULL },
	{ "log.roll.ms=0",
	    "requirement failed: log.roll.ms must be greater than or equal to 1" },
	{ "log.roll.ms=x",
	    "Invalid value x for configuration log.roll.ms: Not a number of type LONG" },
	{ "log.flush.interval.ms=x",
	    "Invalid value x for configuration log.flush.interval.ms: Not a number of type LONG" },
	{ "log.roll.jitter.ms=-1",
	    "requirement failed: log.roll.jitter.ms must be greater than or equal to 0" },
	{ "replica.fetch.wait.max.ms=40000",
	    "requirement failed: replica.socket.timeout.ms should always be at least "
	    "replica.fetch.wait.max.ms to prevent unnecessary socket timeouts" },
	{ "replica.fetch.wait.max.ms=600", NULL },
	{ "replica.fetch.max.bytes=10;message.max.bytes=20", NULL },
	{ "replica.lag.time.max.ms=100",
	    "requirement failed: replica.fetch.wait.max.ms should always be less than or "
	    "equal to replica.lag.time.max.ms to prevent frequent changes in ISR" },
	{ "offsets.topic.compression.codec=9", "Unknown compression type id: 9" },
	{ "offsets.topic.compression.codec=2", NULL },
	{ "offsets.topic.compression.codec=x",
	    "Invalid value x for configuration offsets.topic.compression.codec: Not a number "
	    "of type INT" },
	{ "broker.heartbeat.interval.ms=9000", NULL },
	{ "broker.heartbeat.interval.ms=4501", NULL },
	{ "broker.session.timeout.ms=1", NULL },
	{ "group.min.session.timeout.ms=10;group.max.session.timeout.ms=5", NULL },
	{ "group.consumer.heartbeat.interval.ms=1",
	    "group.consumer.heartbeat.interval.ms must be greater than or equal to "
	    "group.consumer.min.heartbeat.interval.ms" },
	{ "group.consumer.heartbeat.interval.ms=20000",
	    "group.consumer.heartbeat.interval.ms must be less than or equal to "
	    "group.consumer.max.heartbeat.interval.ms" },
	{ "group.consumer.session.timeout.ms=1",
	    "group.consumer.session.timeout.ms must be greater than or equal to "
	    "group.consumer.min.session.timeout.ms" },
	{ "group.consumer.session.timeout.ms=5000",
	    "group.consumer.session.timeout.ms must be greater than or equal to "
	    "group.consumer.min.session.timeout.ms" },
	{ "group.consumer.min.session.timeout.ms=70000",
	    "group.consumer.max.session.timeout.ms must be greater than or equal to "
	    "group.consumer.min.session.timeout.ms" },
	{ "group.consumer.min.heartbeat.interval.ms=16000",
	    "group.consumer.max.heartbeat.interval.ms must be greater than or equal to "
	    "group.consumer.min.heartbeat.interval.ms" },
	{ "group.consumer.heartbeat.interval.ms=45000;"
	    "group.consumer.max.heartbeat.interval.ms=45000",
	    "group.consumer.heartbeat.interval.ms must be less than "
	    "group.consumer.session.timeout.ms" },
	{ "group.consumer.assignors=",
	    "Configuration 'group.consumer.assignors' must not be empty. Valid values "
	    "include: any non-empty value" },
	{ "group.consumer.assignors=range,range", NULL },
	{ "group.consumer.migration.policy=foo",
	    "Invalid value foo for configuration group.consumer.migration.policy: String "
	    "must be one of (case insensitive): DISABLED, DOWNGRADE, UPGRADE, BIDIRECTIONAL" },
	{ "group.consumer.migration.policy=Upgrade", NULL },
	{ "group.coordinator.rebalance.protocols=consumer",
	    "Disabling the 'classic' protocol is not supported." },
	{ "group.coordinator.rebalance.protocols=classic,foo",
	    "Invalid value foo for configuration group.coordinator.rebalance.protocols: "
	    "String must be one of: consumer, classic, share, streams" },
	{ "group.coordinator.rebalance.protocols=",
	    "Configuration 'group.coordinator.rebalance.protocols' must not be empty. Valid "
	    "values include: [consumer, classic, share, streams]" },
	{ "group.share.heartbeat.interval.ms=1",
	    "group.share.heartbeat.interval.ms must be greater than or equal to "
	    "group.share.min.heartbeat.interval.ms" },
	{ "group.share.max.heartbeat.interval.ms=1",
	    "group.share.max.heartbeat.interval.ms must be greater than or equal to "
	    "group.share.min.heartbeat.interval.ms" },
	{ "group.share.record.lock.duration.ms=1000",
	    "group.share.record.lock.duration.ms must be greater than or equal to "
	    "group.share.min.record.lock.duration.ms" },
	{ "group.share.delivery.count.limit=11",
	    "Invalid value 11 for configuration group.share.delivery.count.limit: Value must "
	    "be no more than 10" },
	{ "group.share.partition.max.record.locks=20000",
	    "Invalid value 20000 for configuration group.share.partition.max.record.locks: "
	    "Value must be no more than 10000" },
	{ "group.share.max.share.sessions=1",
	    "group.share.max.share.sessions must be greater than or equal to "
	    "group.share.max.size" },
	{ "group.share.assignors=",
	    "Configuration 'group.share.assignors' must not be empty. Valid values include: "
	    "any non-empty value" },
	{ "group.streams.heartbeat.interval.ms=1",
	    "group.streams.heartbeat.interval.ms must be greater than or equal to "
	    "group.streams.min.heartbeat.interval.ms" },
	{ "group.streams.num.standby.replicas=3",
	    "group.streams.num.standby.replicas must be less than or equal to "
	    "group.streams.max.standby.replicas" },
	{ "group.consumer.assignment.interval.ms=16000",
	    "group.consumer.assignment.interval.ms must be less than or equal to "
	    "group.consumer.max.assignment.interval.ms" },
	{ "group.consumer.min.assignment.interval.ms=2000",
	    "group.consumer.assignment.interval.ms must be greater than or equal to "
	    "group.consumer.min.assignment.interval.ms" },
	{ "quota.window.num=0",
	    "Invalid value 0 for configuration quota.window.num: Value must be at least 1" },
	{ "queued.max.requests=0",
	    "Invalid value 0 for configuration queued.max.requests: Value must be at least 1" },
	{ "queued.max.request.bytes=0", NULL },
	{ "queued.max.request.bytes=-2", NULL },
	{ "queued.max.request.bytes=10",
	    "requirement failed: queued.max.request.bytes must be larger or equal to "
	    "socket.request.max.bytes" },
	{ "socket.request.max.bytes=0",
	    "Invalid value 0 for configuration socket.request.max.bytes: Value must be at "
	    "least 1" },
	{ "max.connections.per.ip=0",
	    "requirement failed: max.connections.per.ip can be set to zero only if "
	    "max.connections.per.ip.overrides property is set." },
	{ "max.connections.per.ip=-1",
	    "Invalid value -1 for configuration max.connections.per.ip: Value must be at least 0" },
	{ "max.connections.per.ip.overrides=foo",
	    "Error parsing configuration property 'max.connections.per.ip.overrides': begin "
	    "0, end -1, length 3" },
	{ "max.connections.per.ip.overrides=a:b", "For input string: \"b\"" },
	{ "max.connections.per.ip.overrides=127.0.0.1:3", NULL },
	{ "max.connections.per.ip.overrides=no.such.host.invalid:3", NULL },
	{ "connections.max.idle.ms=-1", NULL },
	{ "failed.authentication.delay.ms=5", NULL },
	{ "connection.failed.authentication.delay.ms=700000",
	    "requirement failed: connection.failed.authentication.delay.ms=700000 should "
	    "always be less than connections.max.idle.ms=600000 to prevent failed "
	    "authentication responses from timing out" },
	{ "transaction.state.log.min.isr=4;transaction.state.log.replication.factor=3", NULL },
	{ "delegation.token.master.key=x", NULL },
	{ "authorizer.class.name=foo.Bar", NULL },
	{ "authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer",
	    NULL },
	{ "ssl.client.auth=foo",
	    "Invalid value foo for configuration ssl.client.auth: String must be one of: "
	    "required, requested, none" },
	{ "ssl.client.auth=REQUIRED",
	    "Invalid value REQUIRED for configuration ssl.client.auth: String must be one "
	    "of: required, requested, none" },
	{ "ssl.enabled.protocols=", NULL },
	{ "ssl.enabled.protocols=foo", NULL },
	{ "ssl.cipher.suites=a,,b",
	    "Configuration 'ssl.cipher.suites' values must not be empty." },
	{ "sasl.enabled.mechanisms=", NULL },
	{ "sasl.enabled.mechanisms=PLAIN,PLAIN", NULL },
	{ "sasl.mechanism.inter.broker.protocol=FOO", NULL },
	{ "sasl.oauthbearer.assertion.algorithm=xx",
	    "Invalid value xx for configuration sasl.oauthbearer.assertion.algorithm: String "
	    "must be one of (case insensitive): ES256, RS256" },
	{ "remote.log.storage.manager.class.name=",
	    "Invalid value  for configuration remote.log.storage.manager.class.name: String "
	    "must be non-empty" },
	{ "remote.log.storage.system.enable=true", NULL },
	{ "remote.log.storage.system.enable=true;remote.log.storage.manager.class.name=a",
	    NULL },
	{ "remote.log.metadata.manager.listener.name=",
	    "Invalid value  for configuration remote.log.metadata.manager.listener.name: "
	    "String must be non-empty" },
	{ "log.local.retention.ms=700000000", NULL },
	{ "log.local.retention.ms=-3",
	    "Invalid value -3 for configuration log.local.retention.ms: Value must be at "
	    "least -2" },
	{ "log.local.retention.bytes=5", NULL },
	{ "log.message.timestamp.type=foo",
	    "Invalid value foo for configuration log.message.timestamp.type: String must be "
	    "one of: CreateTime, LogAppendTime" },
	{ "log.message.timestamp.type=",
	    "Invalid value  for configuration log.message.timestamp.type: String must be one "
	    "of: CreateTime, LogAppendTime" },
	{ "min.insync.replicas=0",
	    "Invalid value 0 for configuration min.insync.replicas: Value must be at least 1" },
	{ "metadata.max.idle.interval.ms=-1",
	    "Invalid value -1 for configuration metadata.max.idle.interval.ms: Value must be "
	    "at least 0" },
	{ "metadata.log.segment.bytes=1",
	    "Invalid value 1 for configuration metadata.log.segment.bytes: Value must be at "
	    "least 8388608" },
	{ "metadata.log.max.record.bytes.between.snapshots=0",
	    "Invalid value 0 for configuration "
	    "metadata.log.max.record.bytes.between.snapshots: Value must be at least 1" },
	{ "log.dir.failure.timeout.ms=0",
	    "Invalid value 0 for configuration log.dir.failure.timeout.ms: Value must be at "
	    "least 1" },
	{ "zookeeper.connect=a", NULL },
	{ "log.message.format.version=2.0", NULL },
	{ "inter.broker.protocol.version=3.0", NULL },
	{ "metric.reporters=a", NULL },
	{ "metric.reporters=", NULL },
	{ "metrics.recording.level=foo", NULL },
	{ "unstable.api.versions.enable=true", NULL },
	{ "listener.name.plaintext.ssl.keystore.type=X", NULL },
	{ "sasl.kerberos.principal.to.local.rules=", NULL },
	{ "max.connection.creation.rate=-1",
	    "Invalid value -1 for configuration max.connection.creation.rate: Value must be "
	    "at least 0" },
	{ "leader.imbalance.check.interval.seconds=0",
	    "Invalid value 0 for configuration leader.imbalance.check.interval.seconds: "
	    "Value must be at least 1" },
	{ "log.cleaner.dedupe.buffer.size=1",
	    "requirement failed: log.cleaner.dedupe.buffer.size must be at least 1MB per "
	    "cleaner thread." },
	{ "log.cleaner.enable=false", NULL },
	{ "num.replica.fetchers=0",
	    "Invalid value 0 for configuration num.replica.fetchers: Value must be at least 1" },
	{ "node.id=+5",
	    "requirement failed: If process.roles contains the 'controller' role, the node "
	    "id 5 must be included in the set of voters controller.quorum.voters=Set(1)" },
	{ "log.segment.bytes=1048576L",
	    "Invalid value 1048576L for configuration log.segment.bytes: Not a number of "
	    "type INT" },
	{ "log.cleaner.io.max.bytes.per.second=1e6", NULL },
	{ "log.cleaner.io.max.bytes.per.second=NaN", NULL },
	{ "offset.metadata.max.bytes=-1", NULL },
	{ "transaction.partition.verification.enable=on",
	    "Invalid value on for configuration transaction.partition.verification.enable: "
	    "Expected value to be either true or false" },
	{ "controller.quorum.election.timeout.ms=-1",
	    "Invalid value -1 for configuration controller.quorum.election.timeout.ms: Value "
	    "must be at least 0" },
	{ "config.providers=file", NULL },
	{ "log.retention.ms=",
	    "Invalid value  for configuration log.retention.ms: Not a number of type LONG" },
	{ "group.coordinator.append.linger.ms=-2",
	    "Invalid value -2 for configuration group.coordinator.append.linger.ms: Value "
	    "must be at least -1" },
	{ "share.coordinator.snapshot.update.records.per.snapshot=501",
	    "Invalid value 501 for configuration "
	    "share.coordinator.snapshot.update.records.per.snapshot: Value must be no more "
	    "than 500" },
	{ "listeners=PLAINTEXT://127.0.0.1:0,CONTROLLER://127.0.0.1:0", NULL },
	{ "listeners=PLAINTEXT://127.0.0.1:0,SSL://127.0.0.1:0,CONTROLLER://127.0.0.1:0",
	    "Error creating broker listeners from '[PLAINTEXT://127.0.0.1:0, "
	    "SSL://127.0.0.1:0, CONTROLLER://127.0.0.1:0]': No security protocol defined for "
	    "listener CONTROLLER" },
	{ "advertised.listeners=PLAINTEXT://h:0", NULL },
	{ "advertised.listeners=PLAINTEXT://h:1,PLAINTEXT://h:2",
	    "Error creating broker listeners from '[PLAINTEXT://h:1, PLAINTEXT://h:2]': Each "
	    "listener must have a different name, listeners: [PLAINTEXT://h:1, "
	    "PLAINTEXT://h:2]" },
};

/* CreateTopics with these configs; every refusal was INVALID_CONFIG. */
static const struct {
	const char *configs, *message;
} topic_cases[] = {
	{ "retention.ms=soon",
	    "Invalid value soon for configuration retention.ms: Not a number of type LONG" },
	{ "no.such.config=1", "Unknown topic config name: no.such.config" },
	{ "cleanup.policy=5",
	    "Invalid value 5 for configuration cleanup.policy: String must be one of: "
	    "compact, delete" },
	{ "cleanup.policy=", NULL },
	{ "cleanup.policy=delete,delete", NULL },
	{ "cleanup.policy=delete,compact", NULL },
	{ "cleanup.policy=compact,,delete",
	    "Configuration 'cleanup.policy' values must not be empty." },
	{ "retention.ms=-2",
	    "Invalid value -2 for configuration retention.ms: Value must be at least -1" },
	{ "retention.ms=",
	    "Invalid value  for configuration retention.ms: Not a number of type LONG" },
	{ "retention.ms=9223372036854775808",
	    "Invalid value 9223372036854775808 for configuration retention.ms: Not a "
	    "number of type LONG" },
	{ "segment.bytes=5",
	    "Invalid value 5 for configuration segment.bytes: Value must be at least 1048576" },
	{ "segment.bytes=1048577", NULL },
	{ "compression.type=foo",
	    "Invalid value foo for configuration compression.type: String must be one of: "
	    "uncompressed, zstd, lz4, snappy, gzip, producer" },
	{ "compression.type=none",
	    "Invalid value none for configuration compression.type: String must be one of: "
	    "uncompressed, zstd, lz4, snappy, gzip, producer" },
	{ "compression.gzip.level=0",
	    "Invalid value 0 for configuration compression.gzip.level: Value must be "
	    "between 1 and 9 or equal to -1" },
	{ "compression.zstd.level=23",
	    "Invalid value 23 for configuration compression.zstd.level: Value must be no "
	    "more than 22" },
	{ "compression.lz4.level=0",
	    "Invalid value 0 for configuration compression.lz4.level: Value must be at least 1" },
	{ "min.cleanable.dirty.ratio=1.5",
	    "Invalid value 1.5 for configuration min.cleanable.dirty.ratio: Value must be "
	    "no more than 1" },
	{ "min.cleanable.dirty.ratio=abc",
	    "Invalid value abc for configuration min.cleanable.dirty.ratio: Not a number "
	    "of type DOUBLE" },
	{ "preallocate=maybe",
	    "Invalid value maybe for configuration preallocate: Expected value to be "
	    "either true or false" },
	{ "preallocate=TRUE", NULL },
	{ "message.timestamp.type=foo",
	    "Invalid value foo for configuration message.timestamp.type: String must be "
	    "one of: CreateTime, LogAppendTime" },
	{ "min.insync.replicas=0",
	    "Invalid value 0 for configuration min.insync.replicas: Value must be at least 1" },
	{ "min.insync.replicas=7", NULL },
	{ "min.compaction.lag.ms=10;max.compaction.lag.ms=5",
	    "conflict topic config setting min.compaction.lag.ms (10) > "
	    "max.compaction.lag.ms (5)" },
	{ "local.retention.ms=10;retention.ms=5", NULL },
	{ "remote.storage.enable=true;local.retention.ms=10;retention.ms=5",
	    "Tiered Storage functionality is disabled in the broker. Topic cannot be "
	    "configured with remote log storage." },
	{ "local.retention.bytes=10;retention.bytes=5", NULL },
	{ "remote.storage.enable=true",
	    "Tiered Storage functionality is disabled in the broker. Topic cannot be "
	    "configured with remote log storage." },
	{ "remote.storage.enable=true;cleanup.policy=compact",
	    "Tiered Storage functionality is disabled in the broker. Topic cannot be "
	    "configured with remote log storage." },
	{ "remote.log.copy.disable=true", NULL },
	{ "remote.log.delete.on.disable=true", NULL },
	{ "leader.replication.throttled.replicas=foo",
	    "Invalid value [foo] for configuration leader.replication.throttled.replicas: "
	    "leader.replication.throttled.replicas must be the literal '*' or a list of "
	    "replicas in the following format: [partitionId]:[brokerId],"
	    "[partitionId]:[brokerId],..." },
	{ "leader.replication.throttled.replicas=*", NULL },
	{ "leader.replication.throttled.replicas=0:1,1:2", NULL },
	{ "leader.replication.throttled.replicas=", NULL },
	{ "leader.replication.throttled.replicas=0:1,0:1", NULL },
	{ "follower.replication.throttled.replicas=0:1,,", NULL },
	{ "internal.segment.bytes=100", NULL },
	{ "max.message.bytes=-1",
	    "Invalid value -1 for configuration max.message.bytes: Value must be at least 0" },
	{ "flush.messages=0",
	    "Invalid value 0 for configuration flush.messages: Value must be at least 1" },
	{ "flush.ms=-1",
	    "Invalid value -1 for configuration flush.ms: Value must be at least 0" },
	{ "segment.ms=0",
	    "Invalid value 0 for configuration segment.ms: Value must be at least 1" },
	{ "segment.jitter.ms=-1",
	    "Invalid value -1 for configuration segment.jitter.ms: Value must be at least 0" },
	{ "segment.index.bytes=3",
	    "Invalid value 3 for configuration segment.index.bytes: Value must be at least 4" },
	{ "unclean.leader.election.enable=1",
	    "Invalid value 1 for configuration unclean.leader.election.enable: Expected "
	    "value to be either true or false" },
	{ "message.format.version=2.0", "Unknown topic config name: message.format.version" },
	{ "message.downconversion.enable=true",
	    "Unknown topic config name: message.downconversion.enable" },
	{ "message.timestamp.difference.max.ms=5",
	    "Unknown topic config name: message.timestamp.difference.max.ms" },
	{ "retention.bytes=-2", NULL },
	{ "retention.bytes=x",
	    "Invalid value x for configuration retention.bytes: Not a number of type LONG" },
	{ "retention.ms=soon;no.such.config=1", "Unknown topic config name: no.such.config" },
	{ "no.such.config=1;retention.ms=soon", "Unknown topic config name: no.such.config" },
	{ "segment.bytes=5;retention.ms=soon",
	    "Invalid value 5 for configuration segment.bytes: Value must be at least 1048576" },
	{ "min.insync.replicas=1.5",
	    "Invalid value 1.5 for configuration min.insync.replicas: Not a number of type INT" },
	{ "local.retention.ms=-2;local.retention.bytes=-2", NULL },
	{ "delete.retention.ms=-1",
	    "Invalid value -1 for configuration delete.retention.ms: Value must be at least 0" },
	{ "file.delete.delay.ms=-1",
	    "Invalid value -1 for configuration file.delete.delay.ms: Value must be at least 0" },
	{ "index.interval.bytes=-1",
	    "Invalid value -1 for configuration index.interval.bytes: Value must be at least 0" },
	{ "min.compaction.lag.ms=-1",
	    "Invalid value -1 for configuration min.compaction.lag.ms: Value must be at "
	    "least 0" },
	{ "max.compaction.lag.ms=0",
	    "Invalid value 0 for configuration max.compaction.lag.ms: Value must be at least 1" },
	{ "retention.ms= 5 ", NULL },
	{ "segment.bytes=2147483648",
	    "Invalid value 2147483648 for configuration segment.bytes: Not a number of "
	    "type INT" },
	{ "cleanup.policy=Compact",
	    "Invalid value Compact for configuration cleanup.policy: String must be one "
	    "of: compact, delete" },
	{ "segment.bytes=2097152;max.message.bytes=3097152", NULL },
	{ "retention.ms=77", NULL },
};

/* IncrementalAlterConfigs of a group; the bounds are those of t_config.c. INVALID_CONFIG. */
static const struct {
	const char *configs, *message;
} group_cases[] = {
	{ "consumer.session.timeout.ms=1",
	    "consumer.session.timeout.ms must be greater than or equal to "
	    "group.consumer.min.session.timeout.ms" },
	{ "consumer.session.timeout.ms=50000", NULL },
	{ "consumer.heartbeat.interval.ms=5",
	    "consumer.heartbeat.interval.ms must be greater than or equal to "
	    "group.consumer.min.heartbeat.interval.ms" },
	{ "consumer.heartbeat.interval.ms=20000",
	    "consumer.heartbeat.interval.ms must be less than or equal to "
	    "group.consumer.max.heartbeat.interval.ms" },
	{ "consumer.heartbeat.interval.ms=x",
	    "Invalid value x for configuration consumer.heartbeat.interval.ms: Not a "
	    "number of type INT" },
	{ "no.such=x", "Unknown group config name: no.such" },
	{ "share.auto.offset.reset=foo",
	    "Invalid value foo for configuration share.auto.offset.reset: Invalid value "
	    "`foo` for configuration share.auto.offset.reset. The value must be either "
	    "'earliest', 'latest' or of the format 'by_duration:<PnDTnHnMn.nS>'." },
	{ "share.auto.offset.reset=by_duration:PT1H", NULL },
	{ "share.auto.offset.reset=by_duration:xx",
	    "Invalid value by_duration:xx for configuration share.auto.offset.reset: "
	    "Invalid value `by_duration:xx` for configuration share.auto.offset.reset. The "
	    "value must be either 'earliest', 'latest' or of the format "
	    "'by_duration:<PnDTnHnMn.nS>'." },
	{ "share.auto.offset.reset=by_duration:-PT1H",
	    "Invalid value by_duration:-PT1H for configuration share.auto.offset.reset: "
	    "Invalid value `by_duration:-PT1H` for configuration share.auto.offset.reset. "
	    "The value must be either 'earliest', 'latest' or of the format "
	    "'by_duration:<PnDTnHnMn.nS>'." },
	{ "share.isolation.level=foo",
	    "Invalid value foo for configuration share.isolation.level: String must be one "
	    "of: read_committed, read_uncommitted" },
	{ "share.record.lock.duration.ms=1",
	    "Invalid value 1 for configuration share.record.lock.duration.ms: Value must "
	    "be at least 1000" },
	{ "share.record.lock.duration.ms=5000", NULL },
	{ "share.record.lock.duration.ms=90000",
	    "share.record.lock.duration.ms must be less than or equal to "
	    "group.share.max.record.lock.duration.ms" },
	{ "share.delivery.count.limit=1",
	    "Invalid value 1 for configuration share.delivery.count.limit: Value must be "
	    "at least 2" },
	{ "share.delivery.count.limit=11",
	    "share.delivery.count.limit must be less than or equal to "
	    "group.share.max.delivery.count.limit" },
	{ "share.partition.max.record.locks=99",
	    "Invalid value 99 for configuration share.partition.max.record.locks: Value "
	    "must be at least 100" },
	{ "share.partition.max.record.locks=10001",
	    "share.partition.max.record.locks must be less than or equal to "
	    "group.share.max.partition.max.record.locks" },
	{ "streams.num.standby.replicas=3",
	    "streams.num.standby.replicas must be less than or equal to "
	    "group.streams.max.standby.replicas" },
	{ "streams.num.standby.replicas=-1",
	    "Invalid value -1 for configuration streams.num.standby.replicas: Value must "
	    "be at least 0" },
	{ "streams.initial.rebalance.delay.ms=-1",
	    "Invalid value -1 for configuration streams.initial.rebalance.delay.ms: Value "
	    "must be at least 0" },
	{ "streams.session.timeout.ms=1",
	    "streams.session.timeout.ms must be greater than or equal to "
	    "group.streams.min.session.timeout.ms" },
	{ "streams.heartbeat.interval.ms=1",
	    "streams.heartbeat.interval.ms must be greater than or equal to "
	    "group.streams.min.heartbeat.interval.ms" },
	{ "streams.heartbeat.interval.ms=44000",
	    "streams.heartbeat.interval.ms must be less than or equal to "
	    "group.streams.max.heartbeat.interval.ms" },
	{ "consumer.assignment.interval.ms=20000",
	    "consumer.assignment.interval.ms must be less than or equal to "
	    "group.consumer.max.assignment.interval.ms" },
	{ "share.assignment.interval.ms=20000",
	    "share.assignment.interval.ms must be less than or equal to "
	    "group.share.max.assignment.interval.ms" },
	{ "streams.assignment.interval.ms=20000",
	    "streams.assignment.interval.ms must be less than or equal to "
	    "group.streams.max.assignment.interval.ms" },
	{ "share.heartbeat.interval.ms=20000",
	    "share.heartbeat.interval.ms must be less than or equal to "
	    "group.share.max.heartbeat.interval.ms" },
	{ "share.session.timeout.ms=99999",
	    "share.session.timeout.ms must be less than or equal to "
	    "group.share.max.session.timeout.ms" },
	{ "share.session.timeout.ms=1",
	    "share.session.timeout.ms must be greater than or equal to "
	    "group.share.min.session.timeout.ms" },
	{ "share.renew.acknowledge.enable=maybe",
	    "Invalid value maybe for configuration share.renew.acknowledge.enable: "
	    "Expected value to be either true or false" },
};

/* IncrementalAlterConfigs of a client-metrics subscription, with the error code. */
static const struct {
	const char *configs;
	int16_t error;
	const char *message;
} metrics_cases[] = {
	{ "interval.ms=5", 42,
	    "Invalid value 5 for interval.ms, interval must be between 100 and 3600000 (1 "
	    "hour)" },
	{ "interval.ms=50", 42,
	    "Invalid value 50 for interval.ms, interval must be between 100 and 3600000 (1 "
	    "hour)" },
	{ "interval.ms=100", 0, NULL },
	{ "interval.ms=3600001", 42,
	    "Invalid value 3600001 for interval.ms, interval must be between 100 and "
	    "3600000 (1 hour)" },
	{ "interval.ms=x", 40,
	    "Invalid value x for configuration interval.ms: Not a number of type INT" },
	{ "match=foo", 40, "Illegal client matching pattern: foo" },
	{ "match=client_id=.*", 0, NULL },
	{ "match=client_id=[", 40, "Illegal client matching pattern: client_id=[" },
	{ "match=foo=bar", 40, "Illegal client matching pattern: foo=bar" },
	{ "match=client_id=a,client_id=b", 0, NULL },
	{ "metrics=", 0, NULL },
	{ "metrics=*", 0, NULL },
	{ "metrics=a,b", 0, NULL },
	{ "metrics=a,a", 0, NULL },
	{ "no.such=x", 42, "Unknown client metrics configuration: no.such" },
};

/* IncrementalAlterConfigs of broker 1, or of all brokers; every refusal was INVALID_REQUEST. */
static const struct {
	bool this_broker;
	const char *configs, *message;
} broker_cases[] = {
	{ true, "no.such=5", NULL },
	{ true, "log.retention.ms=5", NULL },
	{ true, "log.retention.hours=5",
	    "Cannot update these configs dynamically: [log.retention.hours]" },
	{ false, "log.retention.hours=5",
	    "Cannot update these configs dynamically: [log.retention.hours]" },
	{ false, "node.id=5", "Cannot update these configs dynamically: [node.id]" },
	{ true, "listeners=PLAINTEXT://:5",
	    "requirement failed: controller.listener.names must contain at least one value "
	    "appearing in the 'listeners' configuration when running the KRaft controller "
	    "role" },
	{ false, "listeners=PLAINTEXT://127.0.0.1:21101",
	    "Cannot update these configs at default cluster level, broker id must be "
	    "specified: [listeners]" },
	{ false, "ssl.keystore.type=PEM",
	    "These security configs can be dynamically updated only per-listener using the "
	    "listener prefix: [ssl.keystore.type]" },
	{ true, "ssl.keystore.type=PEM",
	    "These security configs can be dynamically updated only per-listener using the "
	    "listener prefix: [ssl.keystore.type]" },
	{ true, "listener.name.plaintext.ssl.keystore.type=PEM", NULL },
	{ true, "log.retention.ms=soon",
	    "Invalid value soon for configuration log.retention.ms: Not a number of type LONG" },
	{ true, "log.retention.ms=0",
	    "requirement failed: log.retention.ms must be unlimited (-1) or, greater than "
	    "or equal to 1" },
	{ true, "log.cleaner.threads=100",
	    "Invalid value org.apache.kafka.common.config.ConfigException: Log cleaner "
	    "threads cannot be increased to more than double the current value 1 for "
	    "configuration Invalid dynamic configuration" },
	{ true, "num.io.threads=100",
	    "Invalid value org.apache.kafka.common.config.ConfigException: Dynamic thread "
	    "count update validation failed for num.io.threads=100, value should not be "
	    "greater than double the current value 8 for configuration Invalid dynamic "
	    "configuration" },
	{ true, "num.io.threads=1",
	    "Invalid value org.apache.kafka.common.config.ConfigException: Dynamic thread "
	    "count update validation failed for num.io.threads=1, value should be at least "
	    "half the current value 8 for configuration Invalid dynamic configuration" },
	{ true, "num.io.threads=16", NULL },
	{ false, "num.io.threads=16", NULL },
	{ true, "num.io.threads=0",
	    "Invalid value 0 for configuration num.io.threads: Value must be at least 1" },
	{ true, "num.replica.fetchers=5",
	    "Invalid value org.apache.kafka.common.config.ConfigException: Dynamic thread "
	    "count update validation failed for num.replica.fetchers=5, value should not "
	    "be greater than double the current value 1 for configuration Invalid dynamic "
	    "configuration" },
	{ true, "background.threads=1",
	    "Invalid value org.apache.kafka.common.config.ConfigException: Dynamic thread "
	    "count update validation failed for background.threads=1, value should be at "
	    "least half the current value 10 for configuration Invalid dynamic "
	    "configuration" },
	{ true, "log.segment.bytes=5",
	    "Invalid value 5 for configuration log.segment.bytes: Value must be at least "
	    "1048576" },
	{ true, "leader.replication.throttled.rate=1000", NULL },
	{ true, "leader.replication.throttled.rate=-1",
	    "Invalid value -1 for configuration leader.replication.throttled.rate: Value "
	    "must be at least 0" },
	{ true, "leader.replication.throttled.rate=x",
	    "Invalid value x for configuration leader.replication.throttled.rate: Not a "
	    "number of type LONG" },
	{ true, "follower.replication.throttled.rate=1000", NULL },
	{ false, "leader.replication.throttled.rate=1000", NULL },
	{ true, "log.retention.ms=-1", NULL },
	{ true, "max.connections.per.ip.overrides=foo",
	    "Error parsing configuration property 'max.connections.per.ip.overrides': "
	    "begin 0, end -1, length 3" },
	{ true, "max.connections.per.ip.overrides=127.0.0.1:4", NULL },
	{ true, "max.connections=5;no.such=4", NULL },
	{ true, "message.max.bytes=x",
	    "Invalid value x for configuration message.max.bytes: Not a number of type INT" },
	{ true, "unclean.leader.election.enable=maybe",
	    "Invalid value maybe for configuration unclean.leader.election.enable: "
	    "Expected value to be either true or false" },
	{ true, "ssl.client.auth=none", NULL },
	{ true, "sasl.enabled.mechanisms=PLAIN", NULL },
	{ true, "listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT", NULL },
	{ true, "log.local.retention.ms=999999999999",
	    "Invalid value org.apache.kafka.common.config.ConfigException: Invalid value "
	    "999999999999 for configuration log.local.retention.ms: Value must not be more "
	    "than log.retention.ms property value: 604800000 for configuration Invalid "
	    "dynamic configuration" },
	{ true, "log.cleaner.io.buffer.size=1;log.cleaner.dedupe.buffer.size=5",
	    "requirement failed: log.cleaner.dedupe.buffer.size must be at least 1MB per "
	    "cleaner thread." },
	{ true, "log.cleaner.dedupe.buffer.size=5",
	    "requirement failed: log.cleaner.dedupe.buffer.size must be at least 1MB per "
	    "cleaner thread." },
	{ true, "transaction.partition.verification.enable=false", NULL },
	{ true, "producer.id.expiration.ms=0",
	    "Invalid value 0 for configuration producer.id.expiration.ms: Value must be at "
	    "least 1" },
	{ true, "remote.log.manager.copy.max.bytes.per.second=0",
	    "Invalid value 0 for configuration "
	    "remote.log.manager.copy.max.bytes.per.second: Value must be at least 1" },
	{ true, "log.roll.ms=0",
	    "requirement failed: log.roll.ms must be greater than or equal to 1" },
	{ true, "log.write.caching=true", NULL },
	{ false, "log.retention.ms=99;num.io.threads=9", NULL },
	{ true, "num.io.threads=10", NULL },
	{ true, "ssl.keystore.type=PEM;node.id=4",
	    "Cannot update these configs dynamically: [node.id]" },
	{ true, "ssl.keystore.type=PEM;ssl.keystore.location=x;log.retention.ms=soon",
	    "These security configs can be dynamically updated only per-listener using the "
	    "listener prefix: [ssl.keystore.type, ssl.keystore.location]" },
	{ true,
	    "listener.name.plaintext.ssl.keystore.type=PEM;"
	    "listener.name.plaintext.ssl.keystore.password=x", NULL },
	{ false, "listener.name.plaintext.ssl.keystore.type=PEM",
	    "Cannot update these configs at default cluster level, broker id must be "
	    "specified: [listener.name.plaintext.ssl.keystore.type]" },
	{ true, "listener.name.plaintext.max.connections=5", NULL },
	{ true, "listener.name.plaintext.max.connection.creation.rate=x",
	    "Invalid value x for configuration max.connection.creation.rate: Not a number "
	    "of type INT" },
	{ true, "listener.name.plaintext.log.segment.bytes=5",
	    "Invalid value 5 for configuration log.segment.bytes: Value must be at least "
	    "1048576" },
	{ true, "listener.name.plaintext.node.id=5", NULL },
	{ true, "num.network.threads=100",
	    "Invalid value org.apache.kafka.common.config.ConfigException: Dynamic thread "
	    "count update validation failed for num.network.threads=100, value should not "
	    "be greater than double the current value 3 for configuration Invalid dynamic "
	    "configuration" },
	{ true, "log.retention.ms=-5", NULL },
	{ true, "log.cleaner.io.max.bytes.per.second=1e6", NULL },
	{ true, "log.local.retention.bytes=5", NULL },
	{ true, "log.retention.bytes=3;log.local.retention.bytes=5",
	    "Invalid value org.apache.kafka.common.config.ConfigException: Invalid value 5 "
	    "for configuration log.local.retention.bytes: Value must not be more than "
	    "log.retention.bytes property value: 3 for configuration Invalid dynamic "
	    "configuration" },
	{ true, "num.recovery.threads.per.data.dir=9",
	    "Invalid value org.apache.kafka.common.config.ConfigException: Dynamic thread "
	    "count update validation failed for num.recovery.threads.per.data.dir=9, value "
	    "should not be greater than double the current value 2 for configuration "
	    "Invalid dynamic configuration" },
	{ true, "remote.log.reader.threads=1",
	    "Invalid value org.apache.kafka.common.config.ConfigException: Dynamic thread "
	    "count update validation failed for remote.log.reader.threads=1, value should "
	    "be at least half the current value 10 for configuration Invalid dynamic "
	    "configuration" },
	{ true, "remote.log.manager.copier.thread.pool.size=100",
	    "Invalid value org.apache.kafka.common.config.ConfigException: Dynamic thread "
	    "count update validation failed for "
	    "remote.log.manager.copier.thread.pool.size=100, value should not be greater "
	    "than double the current value 10 for configuration Invalid dynamic "
	    "configuration" },
	{ true, "remote.log.manager.copier.thread.pool.size=1",
	    "Invalid value org.apache.kafka.common.config.ConfigException: Dynamic thread "
	    "count update validation failed for "
	    "remote.log.manager.copier.thread.pool.size=1, value should be at least half "
	    "the current value 10 for configuration Invalid dynamic configuration" },
	{ true, "message.max.bytes=5", NULL },
	{ true, "remote.log.index.file.cache.total.size.bytes=5", NULL },
	{ true, "listeners=PLAINTEXT://127.0.0.1:21101,CONTROLLER://127.0.0.1:21151", NULL },
	{ true, "listeners=FOO://127.0.0.1:21101,CONTROLLER://127.0.0.1:21151",
	    "Error creating broker listeners from '[FOO://127.0.0.1:21101, "
	    "CONTROLLER://127.0.0.1:21151]': No security protocol defined for listener FOO" },
	{ true, "listeners=PLAINTEXT://127.0.0.1:21102,CONTROLLER://127.0.0.1:21151",
	    "Invalid value org.apache.kafka.common.config.ConfigException: Configs cannot "
	    "be updated dynamically for existing listener ListenerName(PLAINTEXT), restart "
	    "broker or create a new listener for update for configuration Invalid dynamic "
	    "configuration" },
	{ true, "group.consumer.assignment.interval.ms=20000",
	    "group.consumer.assignment.interval.ms must be less than or equal to "
	    "group.consumer.max.assignment.interval.ms" },
	{ true, "group.share.assignment.interval.ms=20000",
	    "group.share.assignment.interval.ms must be less than or equal to "
	    "group.share.max.assignment.interval.ms" },
	{ true, "producer.id.expiration.ms=5", NULL },
	{ true, "max.connections.per.ip=0",
	    "requirement failed: max.connections.per.ip can be set to zero only if "
	    "max.connections.per.ip.overrides property is set." },
	{ true, "max.connection.creation.rate=0",
	    "Invalid value org.apache.kafka.common.config.ConfigException: Invalid "
	    "max.connection.creation.rate 0 for configuration Invalid dynamic configuration" },
	{ true, "config.providers=x", NULL },
	{ true, "log.cleaner.max.compaction.lag.ms=5;log.cleaner.min.compaction.lag.ms=9", NULL },
	{ true, "remote.fetch.max.wait.ms=0",
	    "Invalid value 0 for configuration remote.fetch.max.wait.ms: Value must be at "
	    "least 1" },
	{ true, "advertised.listeners=PLAINTEXT://h:1",
	    "Cannot update these configs dynamically: [advertised.listeners]" },
};
