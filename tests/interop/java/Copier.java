// Copier - one instance of a transactional copier (read, process, write) of Kafka's own client: see ../transactions.py, which says what it prints and when
// it ends. Arguments: BOOTSTRAP GROUP FROM TO TRANSACTIONAL-ID SHARE-OF-ABORTS.
import java.time.Duration;
import java.util.*;
import org.apache.kafka.clients.consumer.*;
import org.apache.kafka.clients.producer.*;
import org.apache.kafka.common.*;
import org.apache.kafka.common.errors.*;
import org.apache.kafka.common.serialization.*;

public class Copier {
    static void say(String what) {
        System.out.println(what);
        System.out.flush();
    }

    // Back to what is committed: what was read since then is read again.
    static void back(KafkaConsumer<String, String> in) {
        Map<TopicPartition, OffsetAndMetadata> at = in.committed(in.assignment());
        for (TopicPartition p : in.assignment())
            if (at.get(p) != null)
                in.seek(p, at.get(p));
            else
                in.seekToBeginning(List.of(p));
    }

    public static void main(String[] a) {
        String to = a[3];
        double aborts = Double.parseDouble(a[5]);
        Random chance = new Random();
        Map<String, Object> c = new HashMap<>(Map.of("bootstrap.servers", a[0], "group.id", a[1], "isolation.level", "read_committed", "enable.auto.commit", false,
            "auto.offset.reset", "earliest", "session.timeout.ms", 6000, "heartbeat.interval.ms", 500, "max.poll.records", 300));
        Map<String, Object> p = new HashMap<>(Map.of("bootstrap.servers", a[0], "transactional.id", a[4], "transaction.timeout.ms", 10000, "linger.ms", 0,
            "max.block.ms", 30000, "reconnect.backoff.ms", 20, "reconnect.backoff.max.ms", 200));
        KafkaConsumer<String, String> in = new KafkaConsumer<>(c, new StringDeserializer(), new StringDeserializer());
        in.subscribe(List.of(a[2]));
        KafkaProducer<String, String> out = null;
        long committed = 0, aborted = 0;
        boolean again = false;
        while (true) {
            try {
                if (out == null) {
                    out = new KafkaProducer<>(p, new StringSerializer(), new StringSerializer());
                    out.initTransactions();
                    say("ready");
                }
                if (again)
                    back(in);
                again = false;
                ConsumerRecords<String, String> got = in.poll(Duration.ofMillis(200));
                if (got.isEmpty())
                    continue;
                boolean abort = chance.nextDouble() < aborts;
                out.beginTransaction();
                for (ConsumerRecord<String, String> r : got)
                    out.send(new ProducerRecord<>(to, r.partition(), null, r.value() + (abort ? " aborted" : "")));
                Map<TopicPartition, OffsetAndMetadata> at = new HashMap<>();
                for (TopicPartition t : got.partitions())
                    at.put(t, got.nextOffsets().get(t));
                out.sendOffsetsToTransaction(at, in.groupMetadata());
                if (abort) {
                    out.flush();
                    out.abortTransaction();
                    back(in);
                    say("aborted " + ++aborted);
                } else {
                    out.commitTransaction();
                    committed += got.count();
                    say("committed " + committed);
                }
            } catch (ProducerFencedException | InvalidProducerEpochException e) {
                say("fenced " + e.getClass().getSimpleName());
                System.exit(3);
            } catch (KafkaException e) {
                again = true;
                say("again " + e.getClass().getSimpleName() + ": " + e.getMessage());
                try {
                    out.abortTransaction();
                } catch (RuntimeException worse) {
                    if (worse instanceof ProducerFencedException || worse.getCause() instanceof ProducerFencedException) {
                        say("fenced at the abort " + worse.getClass().getSimpleName());
                        System.exit(3);
                    }
                    say("anew " + worse.getClass().getSimpleName() + ": " + worse.getMessage());
                    if (out != null)
                        out.close(Duration.ZERO);
                    out = null;
                }
            }
        }
    }
}
