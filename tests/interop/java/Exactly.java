// Exactly - a Streams application with processing.guarantee=exactly_once_v2: orders of customers are counted, counted by windows, and, joined with a table
// that says where a customer lives, summed up by region. See ../exactly.py. Arguments: BOOTSTRAP STATE-FOLDER.
import java.time.Duration;
import java.util.*;
import org.apache.kafka.common.serialization.*;
import org.apache.kafka.streams.*;
import org.apache.kafka.streams.errors.StreamsUncaughtExceptionHandler.StreamThreadExceptionResponse;
import org.apache.kafka.streams.kstream.*;

public class Exactly {
    public static void main(String[] a) {
        Properties p = new Properties();
        p.putAll(Map.of("application.id", "exactly", "bootstrap.servers", a[0], "state.dir", a[1], "processing.guarantee", "exactly_once_v2", "commit.interval.ms", 200,
            "statestore.cache.max.bytes", 0, "num.stream.threads", 1, "consumer.session.timeout.ms", 10000, "consumer.heartbeat.interval.ms", 500));
        p.putAll(Map.of("default.key.serde", Serdes.StringSerde.class, "default.value.serde", Serdes.StringSerde.class, "consumer.auto.offset.reset", "earliest",
            "reconnect.backoff.ms", 20, "reconnect.backoff.max.ms", 200));
        Serde<String> text = Serdes.String();
        StreamsBuilder b = new StreamsBuilder();
        KStream<String, String> orders = b.stream("orders");
        KTable<String, String> homes = b.table("homes");
        KGroupedStream<String, String> by = orders.groupByKey();
        by.count(Materialized.as("counts")).toStream().mapValues(n -> n.toString()).to("counted");
        by.windowedBy(TimeWindows.ofSizeAndGrace(Duration.ofSeconds(10), Duration.ofHours(1))).count(Materialized.as("windows")).toStream()
            .map((k, n) -> KeyValue.pair(k.key() + "@" + k.window().start(), n.toString())).to("windowed");
        orders.join(homes, (amount, region) -> region + " " + amount).map((k, v) -> KeyValue.pair(v.split(" ")[0], v.split(" ")[1]))
            .groupByKey(Grouped.with("by-region", text, text)).aggregate(() -> "0 0",
                (k, amount, sum) -> (Long.parseLong(sum.split(" ")[0]) + 1) + " " + (Long.parseLong(sum.split(" ")[1]) + Long.parseLong(amount)),
                Materialized.as("sums")).toStream().to("summed");
        KafkaStreams streams = new KafkaStreams(b.build(), p);
        streams.setUncaughtExceptionHandler(e -> {
            System.out.println("thread ended: " + e + " " + e.getCause());
            return StreamThreadExceptionResponse.REPLACE_THREAD;
        });
        streams.setStateListener((now, before) -> System.out.println("state " + now));
        Runtime.getRuntime().addShutdownHook(new Thread(() -> streams.close(Duration.ofSeconds(20))));
        streams.start();
    }
}
