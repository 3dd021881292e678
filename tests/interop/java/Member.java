import java.time.Duration;
import java.util.List;
import java.util.Properties;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.ConsumerRecords;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.common.KafkaException;
import org.apache.kafka.common.errors.WakeupException;
import org.apache.kafka.common.serialization.StringDeserializer;

/** Member BOOTSTRAP GROUP TOPIC eager|cooperative|consumer - one member of a group: prints what it is handed, then commits it. */
class Member {
    public static void main(String[] a) throws Exception {
        Properties p = new Properties();
        p.put("bootstrap.servers", a[0]);
        p.put("group.id", a[1]);
        p.put("enable.auto.commit", "false");
        p.put("auto.offset.reset", "earliest");
        p.put("max.poll.records", "100");
        if (a[3].equals("consumer")) {
            p.put("group.protocol", "consumer");
        } else {
            p.put("partition.assignment.strategy",
                "org.apache.kafka.clients.consumer." + (a[3].equals("eager") ? "Range" : "CooperativeSticky") + "Assignor");
            p.put("session.timeout.ms", "6000");
            p.put("heartbeat.interval.ms", "500");
        }
        p.put("max.poll.interval.ms", "20000");
        KafkaConsumer<String, String> consumer = new KafkaConsumer<>(p, new StringDeserializer(), new StringDeserializer());
        Thread main = Thread.currentThread();
        Runtime.getRuntime().addShutdownHook(new Thread(() -> {
            consumer.wakeup();
            try {
                main.join(8000);
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
            }
        }));
        consumer.subscribe(List.of(a[2]));
        try (consumer) {
            for (;;) {
                ConsumerRecords<String, String> got = consumer.poll(Duration.ofMillis(200));
                StringBuilder out = new StringBuilder();
                for (ConsumerRecord<String, String> r : got) {
                    out.append("got ").append(r.partition()).append(' ').append(r.offset()).append(' ').append(r.value()).append('\n');
                }
                System.out.print(out);
                System.out.flush();
                if (got.isEmpty()) {
                    continue;
                }
                try {
                    consumer.commitSync(Duration.ofSeconds(10));
                } catch (WakeupException e) {
                    throw e;
                } catch (KafkaException e) { // the group goes on without this commit: whoever has the partition next gets the records again
                    System.out.println("refused " + e.getClass().getSimpleName());
                }
            }
        } catch (WakeupException e) {
            System.out.println("leaving");
        }
    }
}
