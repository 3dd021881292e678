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
