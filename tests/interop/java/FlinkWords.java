import org.apache.flink.configuration.Configuration;
import org.apache.flink.streaming.api.environment.StreamExecutionEnvironment;
import org.apache.flink.table.api.bridge.java.StreamTableEnvironment;

/** FlinkWords BOOTSTRAP CHECKPOINTS [FROM]: Flink SQL copies flink-in to flink-out, exactly once, with a running number by key; it
 * goes on from the checkpoint FROM. */
class FlinkWords {
    public static void main(String[] a) throws Exception {
        Configuration c = new Configuration();
        c.setString("execution.checkpointing.interval", "1 s");
        c.setString("execution.checkpointing.dir", "file://" + a[1]);
        c.setString("execution.checkpointing.externalized-checkpoint-retention", "RETAIN_ON_CANCELLATION");
        c.setString("restart-strategy.type", "fixed-delay");
        c.setString("restart-strategy.fixed-delay.attempts", "1000");
        c.setString("restart-strategy.fixed-delay.delay", "1 s");
        if (a.length > 2) {
            c.setString("execution.state-recovery.path", "file://" + a[2]);
        }
        StreamExecutionEnvironment env = StreamExecutionEnvironment.createLocalEnvironment(1, c);
        StreamTableEnvironment t = StreamTableEnvironment.create(env);
        String kafka = "'connector'='kafka','properties.bootstrap.servers'='" + a[0] + "','format'='json',";
        t.executeSql("CREATE TABLE lines (word STRING, came AS PROCTIME()) WITH (" + kafka
            + "'topic'='flink-in','scan.startup.mode'='earliest-offset','properties.group.id'='flink')");
        t.executeSql("CREATE TABLE counts (word STRING, n BIGINT) WITH (" + kafka + "'topic'='flink-out',"
            + "'sink.delivery-guarantee'='exactly-once','sink.transactional-id-prefix'='flink','properties.transaction.timeout.ms'='60000')");
        t.executeSql("INSERT INTO counts SELECT word, COUNT(*) OVER (PARTITION BY word ORDER BY came ROWS UNBOUNDED PRECEDING) FROM lines").await();
    }
}
