import java.io.*;
import java.lang.reflect.Constructor;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.*;
import java.util.*;
import org.apache.kafka.common.compress.Compression;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.header.internals.RecordHeader;
import org.apache.kafka.common.message.*;
import org.apache.kafka.common.protocol.*;
import org.apache.kafka.common.protocol.types.*;
import org.apache.kafka.common.record.TimestampType;
import org.apache.kafka.common.record.internal.*;
import org.apache.kafka.common.errors.RetriableException;

/* Kafka's half of the comparison; oracle.c is ours and tells what a stream is.
 *
 *   Oracle LIST OURS THEIRS SEED COUNT
 *
 * LIST: what `oracle list` says; is held against ApiKeys, Errors and the record types, both ways.
 * OURS: a stream of `oracle write`; every frame is read by Kafka's class and written again.
 * THEIRS: is written, for `oracle check`: messages by chance, drawn from Kafka's own schemas.
 */
public class Oracle {
    static int bad = 0;
    static Random random;
    static Random unknown; /* apart, so that the same message comes with and without unknown tags */

    static void complain(String what) {
        bad++;
        System.err.println(what);
    }

    record Ours(String name, String family, int id, int min, int max, int flex, Class<?> type) { }
    static Map<String, Ours> messages = new LinkedHashMap<>();

    static String camel(String snake) {
        StringBuilder s = new StringBuilder();
        for (String word : snake.split("_"))
            s.append(Character.toUpperCase(word.charAt(0))).append(word.substring(1));
        return s.toString();
    }

    static Class<?> type(String name, String family) {
        String pack = switch (family) {
            case "metadata_records" -> "org.apache.kafka.common.metadata.";
            case "group_records" -> "org.apache.kafka.coordinator.group.generated.";
            case "txn_records" -> "org.apache.kafka.coordinator.transaction.generated.";
            case "share_records" -> "org.apache.kafka.coordinator.share.generated.";
            case "storage_records" -> "org.apache.kafka.server.log.remote.metadata.storage.generated.";
            default -> "org.apache.kafka.common.message.";
        };
        String c = camel(name.substring(3));
        if (c.endsWith("Req"))
            c += "uestData";
        else if (c.endsWith("Res"))
            c += "ponseData";
        for (String n : List.of(c, c.replace("Kraft", "KRaft"))) {
            try {
                return Class.forName(pack + n);
            } catch (ClassNotFoundException | NoClassDefFoundError e) {
                /* the other spelling, then */
            }
        }
        complain(name + ": no class " + pack + c);
        return null;
    }

    static Message fresh(Ours o) throws Exception {
        Constructor<?> c = o.type.getConstructor();
        return (Message) c.newInstance();
    }

    static void list(String file) throws Exception {
        Set<Integer> apis = new HashSet<>(), errors = new HashSet<>();
        for (String line : Files.readAllLines(Path.of(file))) {
            String[] w = line.split(" ");
            if (w[0].equals("message")) {
                Ours o = new Ours(w[1], w[2], Integer.parseInt(w[3]), Integer.parseInt(w[4]),
                    Integer.parseInt(w[5]), Integer.parseInt(w[6]), type(w[1], w[2]));
                if (o.type == null)
                    continue;
                messages.put(o.name, o);
                Message m = fresh(o);
                if (m.lowestSupportedVersion() != o.min || m.highestSupportedVersion() != o.max)
                    complain(o.name + ": versions " + m.lowestSupportedVersion() + "-" + m.highestSupportedVersion());
            } else if (w[0].equals("api")) {
                apis.add(api(w));
            } else if (w[0].equals("error")) {
                Errors e = Errors.forCode(Short.parseShort(w[1]));
                errors.add((int) e.code());
                String text = String.join(" ", Arrays.asList(w).subList(4, w.length));
                if (!e.name().equals(w[2]) || e.exception() instanceof RetriableException != w[3].equals("1")
                    || e != Errors.NONE && !e.message().equals(text))
                    complain("error " + line + ": Kafka says " + e + " " + e.message());
            }
        }
        for (ApiMessageType t : ApiMessageType.values())
            if (t.highestSupportedVersion(true) >= t.lowestSupportedVersion() && !apis.contains((int) t.apiKey()))
                complain("no API " + t.name);
        for (Errors e : Errors.values())
            if (!errors.contains((int) e.code()))
                complain("no error " + e);
        for (org.apache.kafka.common.metadata.MetadataRecordType t
            : org.apache.kafka.common.metadata.MetadataRecordType.values())
            there(t.newMetadataRecord(), t.id());
        for (org.apache.kafka.coordinator.group.generated.CoordinatorRecordType t
            : org.apache.kafka.coordinator.group.generated.CoordinatorRecordType.values()) {
            there(t.newRecordKey(), t.id());
            there(t.newRecordValue(), t.id());
        }
        for (org.apache.kafka.coordinator.share.generated.CoordinatorRecordType t
            : org.apache.kafka.coordinator.share.generated.CoordinatorRecordType.values()) {
            there(t.newRecordKey(), t.id());
            there(t.newRecordValue(), t.id());
        }
        for (org.apache.kafka.coordinator.transaction.generated.CoordinatorRecordType t
            : org.apache.kafka.coordinator.transaction.generated.CoordinatorRecordType.values()) {
            there(t.newRecordKey(), t.id());
            there(t.newRecordValue(), t.id());
        }
    }

    static void there(Message m, int id) {
        for (Ours o : messages.values())
            if (o.type == m.getClass() && o.id == id)
                return;
        complain("no record " + m.getClass() + " with id " + id);
    }

    static int api(String[] w) {
        ApiMessageType t = ApiMessageType.fromApiKey(Short.parseShort(w[1]));
        int flex = Integer.parseInt(w[5]);
        if (!t.name.equals(w[2]) || t.lowestSupportedVersion() != Integer.parseInt(w[3])
            || t.highestSupportedVersion(true) != Integer.parseInt(w[4])
            || t.highestSupportedVersion(false) != Integer.parseInt(w[6]))
            complain("api " + w[1] + " " + w[2] + ": Kafka says " + t.name + " " + t.lowestSupportedVersion() + "-"
                + t.highestSupportedVersion(true));
        for (short v = t.lowestSupportedVersion(); v <= t.highestSupportedVersion(true); v++)
            if (t.requestHeaderVersion(v) != (v >= flex ? 2 : 1)
                || t.responseHeaderVersion(v) != (v >= flex && t.apiKey() != 18 ? 1 : 0))
                complain(t.name + " v" + v + ": header versions " + t.requestHeaderVersion(v));
        return t.apiKey();
    }

    /* --- ours, read by them */
    static byte[] take(DataInputStream in) throws IOException {
        byte[] b = new byte[in.readInt()];
        in.readFully(b);
        return b;
    }

    static byte[] write(Message m, short version) {
        ObjectSerializationCache cache = new ObjectSerializationCache();
        ByteBuffer b = ByteBuffer.allocate(m.size(cache, version));
        m.write(new ByteBufferAccessor(b), cache, version);
        if (b.hasRemaining())
            throw new RuntimeException("size is not what was written");
        return b.array();
    }

    static byte[] again(Message m, byte[] bytes, short version) {
        ByteBuffer b = ByteBuffer.wrap(bytes);
        m.read(new ByteBufferAccessor(b), version);
        if (b.hasRemaining())
            throw new RuntimeException(b.remaining() + " bytes left over");
        return write(m, version);
    }

    static byte[] reread(String name, short version, byte[] bytes) throws Exception {
        if (name.equals("batch"))
            return dump(bytes);
        if (name.equals("request_head"))
            return again(new RequestHeaderData(), bytes, version);
        if (name.startsWith("response_head:")) {
            short key = Short.parseShort(name.substring(14));
            return again(new ResponseHeaderData(), bytes, ApiKeys.forId(key).responseHeaderVersion(version));
        }
        return again(fresh(messages.get(name)), bytes, version);
    }

    static void ours(String file) throws Exception {
        long count = 0, versions = 0;
        int before = bad;
        String last = "";
        try (DataInputStream in = new DataInputStream(new BufferedInputStream(new FileInputStream(file)))) {
            while (in.available() > 0) {
                byte[] n = new byte[in.readUnsignedShort()];
                in.readFully(n);
                String name = new String(n, StandardCharsets.UTF_8);
                short version = in.readShort();
                byte[] bytes = take(in), expected = take(in);
                String now = name + " " + version;
                if (name.startsWith("kp_") && !now.equals(last))
                    versions++;
                last = now;
                count++;
                String why = "written otherwise";
                byte[] got = null;
                try {
                    got = reread(name, version, bytes);
                } catch (Exception e) {
                    why = e.toString();
                }
                if (!Arrays.equals(got, expected))
                    complain(now + ": " + why + "\n  given " + hex(bytes) + "\n  expected " + hex(expected)
                        + "\n  got " + hex(got));
            }
        }
        System.out.println("to Kafka: " + count + " messages, " + versions + " versions, " + (bad - before) + " differences");
    }

    static String hex(byte[] b) {
        return b == null ? "nothing" : HexFormat.of().formatHex(b, 0, Math.min(b.length, 400));
    }

    static void str(DataOutputStream out, ByteBuffer b) throws IOException {
        if (b == null) {
            out.writeInt(-1);
            return;
        }
        byte[] a = new byte[b.remaining()];
        b.duplicate().get(a);
        out.writeInt(a.length);
        out.write(a);
    }

    static byte[] dump(byte[] bytes) throws IOException {
        ByteArrayOutputStream all = new ByteArrayOutputStream();
        DataOutputStream out = new DataOutputStream(all);
        for (RecordBatch b : MemoryRecords.readableRecords(ByteBuffer.wrap(bytes)).batches()) {
            b.ensureValid();
            for (org.apache.kafka.common.record.internal.Record r : b) {
                r.ensureValid();
                out.writeLong(r.offset());
                out.writeLong(r.timestamp());
                str(out, r.key());
                str(out, r.value());
                out.writeInt(r.headers().length);
                for (Header h : r.headers()) {
                    str(out, ByteBuffer.wrap(h.key().getBytes(StandardCharsets.UTF_8)));
                    str(out, h.value() == null ? null : ByteBuffer.wrap(h.value()));
                }
            }
        }
        return all.toByteArray();
    }

    /* --- theirs, drawn from Kafka's schemas */
    static void uvarint(DataOutputStream out, int v) throws IOException {
        for (; (v & ~0x7f) != 0; v >>>= 7)
            out.writeByte(v & 0x7f | 0x80);
        out.writeByte(v);
    }

    static long number() {
        long v = random.nextLong();
        return switch (random.nextInt(5)) {
            case 0 -> 0;
            case 1 -> -1;
            case 2 -> v & 0x7f;
            default -> v;
        };
    }

    static void bytes(DataOutputStream out, boolean compact, boolean nullable, int wide, boolean text) throws IOException {
        boolean nothing = random.nextInt(4) == 0 && nullable;
        byte[] b = new byte[random.nextInt(20) == 0 ? random.nextInt(500) : random.nextInt(12)];
        random.nextBytes(b);
        if (text) {
            StringBuilder s = new StringBuilder();
            for (byte c : b)
                s.append(c >= 32 && c < 127 ? (char) c : c < 32 ? "\u00e9" : "\u20ac");
            b = s.toString().getBytes(StandardCharsets.UTF_8);
        }
        if (compact)
            uvarint(out, nothing ? 0 : b.length + 1);
        else if (wide == 2)
            out.writeShort(nothing ? -1 : b.length);
        else
            out.writeInt(nothing ? -1 : b.length);
        if (!nothing)
            out.write(b);
    }

    static boolean simple(DataOutputStream out, Type t) throws IOException {
        if (t == Type.BOOLEAN)
            out.writeBoolean(random.nextBoolean());
        else if (t == Type.INT8)
            out.writeByte((int) number());
        else if (t == Type.INT16 || t == Type.UINT16)
            out.writeShort((int) number());
        else if (t == Type.INT32 || t == Type.UNSIGNED_INT32)
            out.writeInt((int) number());
        else if (t == Type.INT64)
            out.writeLong(number());
        else if (t == Type.FLOAT64)
            out.writeDouble((int) number() / 8.0);
        else if (t == Type.UUID) {
            out.writeLong(number());
            out.writeLong(number());
        } else
            return false;
        return true;
    }

    static void draw(DataOutputStream out, Type t, boolean tagged, boolean extra) throws IOException {
        if (simple(out, t))
            return;
        String name = t.toString();
        if (t instanceof Schema s) {
            boolean there = true;
            if (t.isNullable()) {
                there = random.nextInt(4) != 0;
                if (tagged)
                    uvarint(out, there ? 1 : 0);
                else
                    out.writeByte(there ? 1 : -1);
            }
            if (there)
                for (BoundField f : s.fields())
                    draw(out, f.def.type, false, extra);
        } else if (t instanceof TaggedFields s) {
            tags(out, s, extra);
        } else if (t.isArray()) {
            boolean nothing = random.nextInt(4) == 0 && t.isNullable();
            int n = random.nextInt(4);
            if (t instanceof CompactArrayOf)
                uvarint(out, nothing ? 0 : n + 1);
            else
                out.writeInt(nothing ? -1 : n);
            for (int i = 0; i < n && !nothing; i++)
                draw(out, t.arrayElementType().get(), false, extra);
        } else if (name.endsWith("STRING")) {
            bytes(out, name.startsWith("COMPACT"), t.isNullable(), 2, true);
        } else if (name.endsWith("BYTES") || name.endsWith("RECORDS")) {
            bytes(out, name.startsWith("COMPACT"), t.isNullable(), 4, false);
        } else {
            throw new IOException("what is the type " + name);
        }
    }

    static void tags(DataOutputStream out, TaggedFields s, boolean extra) throws IOException {
        TreeMap<Integer, byte[]> values = new TreeMap<>();
        for (Map.Entry<Integer, Field> f : new TreeMap<>(s.fields()).entrySet()) {
            ByteArrayOutputStream b = new ByteArrayOutputStream();
            boolean sent = random.nextInt(3) != 0;
            if (sent) {
                draw(new DataOutputStream(b), f.getValue().type, true, extra);
                values.put(f.getKey(), b.toByteArray());
            }
        }
        if (extra && unknown.nextInt(3) == 0) {
            byte[] b = new byte[unknown.nextInt(10)];
            unknown.nextBytes(b);
            values.put(40 + unknown.nextInt(100000), b);
        }
        uvarint(out, values.size());
        for (Map.Entry<Integer, byte[]> e : values.entrySet()) {
            uvarint(out, e.getKey());
            uvarint(out, e.getValue().length);
            out.write(e.getValue());
        }
    }

    static byte[] draw(Schema s, long seed, boolean extra) throws IOException {
        ByteArrayOutputStream b = new ByteArrayOutputStream();
        random = new Random(seed);
        unknown = new Random(seed + 1);
        draw(new DataOutputStream(b), s, false, extra);
        return b.toByteArray();
    }

    static void emit(DataOutputStream out, String name, int version, byte[] bytes, byte[] expected) throws IOException {
        byte[] n = name.getBytes(StandardCharsets.UTF_8);
        out.writeShort(n.length);
        out.write(n);
        out.writeShort(version);
        out.writeInt(bytes.length);
        out.write(bytes);
        out.writeInt(expected.length);
        out.write(expected);
    }

    static byte[] blob(int most) {
        byte[] b = new byte[random.nextInt(8) == 0 ? random.nextInt(most) : random.nextInt(40)];
        for (int i = 0; i < b.length; i++)
            b[i] = (byte) (random.nextInt(3) == 0 ? random.nextInt() : i % 50);
        return b;
    }

    static Compression compression(int i) {
        return switch (i % 9) {
            case 0 -> Compression.NONE;
            case 1 -> Compression.gzip().build();
            case 2 -> Compression.snappy().build();
            case 3 -> Compression.lz4().build();
            case 4 -> Compression.zstd().build();
            case 5 -> Compression.gzip().level(9).build();
            case 6 -> Compression.lz4().level(17).build();
            case 7 -> Compression.zstd().level(22).build();
            default -> Compression.zstd().level(-5).build();
        };
    }

    static void batch(DataOutputStream out, int i) throws IOException {
        random = new Random(i);
        SimpleRecord[] rs = new SimpleRecord[1 + random.nextInt(30)];
        for (int k = 0; k < rs.length; k++) {
            Header[] hs = new Header[random.nextInt(3)];
            for (int h = 0; h < hs.length; h++)
                hs[h] = new RecordHeader("h\u00e9" + h, random.nextInt(4) == 0 ? null : blob(300));
            rs[k] = new SimpleRecord(1700000000000L + random.nextInt(100000), random.nextInt(4) == 0 ? null : blob(500),
                random.nextInt(4) == 0 ? null : blob(50000), hs);
        }
        TimestampType time = random.nextInt(4) == 0 ? TimestampType.LOG_APPEND_TIME : TimestampType.CREATE_TIME;
        ByteBuffer b = MemoryRecords.withRecords(RecordBatch.MAGIC_VALUE_V2, random.nextInt(1 << 30), compression(i), time,
            random.nextInt(1000), (short) 1, 5, 3, random.nextBoolean(), rs).buffer();
        byte[] bytes = new byte[b.remaining()];
        b.get(bytes);
        emit(out, "batch", 2, bytes, dump(bytes));
    }

    static void theirs(String file, long seed, int count) throws Exception {
        try (DataOutputStream out = new DataOutputStream(new BufferedOutputStream(new FileOutputStream(file)))) {
            for (Ours o : messages.values()) {
                Schema[] schemas = (Schema[]) o.type.getField("SCHEMAS").get(null);
                for (short v = (short) o.min; v <= o.max; v++)
                    for (int i = 0; i < count; i++) {
                        byte[] plain = draw(schemas[v], seed + i * 7919L + v, false);
                        byte[] bytes = draw(schemas[v], seed + i * 7919L + v, i % 2 == 1);
                        try {
                            emit(out, o.name, v, bytes, again(fresh(o), plain, v));
                        } catch (RuntimeException e) {
                            complain(o.name + " v" + v + ": Kafka cannot read its own schema: " + e);
                        }
                    }
            }
            for (int i = 0; i < count * 10; i++) {
                batch(out, i);
                random = new Random(i);
                ApiMessageType[] all = ApiMessageType.values();
                ApiMessageType t = all[i % all.length];
                if (t.highestSupportedVersion(true) < t.lowestSupportedVersion())
                    continue;
                short v = t.highestSupportedVersion(i % 2 == 0);
                RequestHeaderData h = new RequestHeaderData().setRequestApiKey(t.apiKey()).setRequestApiVersion(v)
                    .setCorrelationId(random.nextInt()).setClientId(i % 5 == 0 ? null : "client-\u00e9");
                byte[] b = write(h, t.requestHeaderVersion(v));
                emit(out, "request_head", t.requestHeaderVersion(v), b, b);
            }
        }
    }

    public static void main(String[] a) throws Exception {
        list(a[0]);
        System.out.println(messages.size() + " messages listed, " + bad + " differences");
        ours(a[1]);
        theirs(a[2], Long.parseLong(a[3]), Integer.parseInt(a[4]));
        System.exit(bad == 0 ? 0 : 1);
    }
}
