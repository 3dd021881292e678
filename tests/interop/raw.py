"""raw.py: just enough of Kafka's protocol to say exactly what a test wants to say, right or wrong.

Python's standard library only. Versions are the last ones before flexible headers, because they are the
shortest to write by hand: Produce 8, Fetch 11, ListOffsets 5, Metadata 8, CreateTopics 4, InitProducerId 1.
"""
import socket
import struct
import time

PRODUCE, FETCH, LIST_OFFSETS, METADATA, API_VERSIONS, CREATE_TOPICS, INIT_PRODUCER_ID, DESCRIBE_QUORUM = 0, 1, 2, 3, 18, 19, 22, 55
ERRORS = {0: "NONE", -1: "UNKNOWN_SERVER_ERROR", 1: "OFFSET_OUT_OF_RANGE", 2: "CORRUPT_MESSAGE", 3: "UNKNOWN_TOPIC_OR_PARTITION",
          6: "NOT_LEADER_OR_FOLLOWER", 7: "REQUEST_TIMED_OUT", 10: "MESSAGE_TOO_LARGE", 35: "UNSUPPORTED_VERSION", 36: "TOPIC_ALREADY_EXISTS",
          42: "INVALID_REQUEST", 43: "UNSUPPORTED_FOR_MESSAGE_FORMAT", 45: "OUT_OF_ORDER_SEQUENCE_NUMBER", 47: "INVALID_PRODUCER_EPOCH",
          46: "DUPLICATE_SEQUENCE_NUMBER", 56: "KAFKA_STORAGE_ERROR", 59: "UNKNOWN_PRODUCER_ID", 76: "UNSUPPORTED_COMPRESSION_TYPE", 87: "INVALID_RECORD"}


def name(code):
    return ERRORS.get(code, str(code))


def _tables():
    first = []
    for n in range(256):
        for _ in range(8):
            n = n >> 1 ^ (0x82f63b78 if n & 1 else 0)
        first.append(n)
    return first


_crc = _tables()


def crc32c(data):
    c, t = 0xffffffff, _crc
    for byte in data:
        c = t[(c ^ byte) & 255] ^ c >> 8
    return c ^ 0xffffffff


def string(s):
    b = s.encode()
    return struct.pack(">h", len(b)) + b


def varint(n):
    n = (n << 1) ^ (n >> 63)
    out = bytearray()
    while n > 127:
        out.append(n & 127 | 128)
        n >>= 7
    out.append(n)
    return bytes(out)


def record(delta, value, key=None):
    k = varint(-1) if key is None else varint(len(key)) + key
    body = b"\0" + varint(0) + varint(delta) + k + varint(len(value)) + value + varint(0)
    return varint(len(body)) + body


def batch(values, pid=-1, epoch=-1, seq=-1, codec=0, payload=None, count=None, magic=2, crc=None, now=None, length=None):
    """One record batch. payload: the (compressed) records as they are; crc, length, count: to lie with."""
    now = int(time.time() * 1000) if now is None else now
    if payload is None:
        payload = b"".join(record(i, v) for i, v in enumerate(values))
    count = len(values) if count is None else count
    body = struct.pack(">hiqqqhii", codec, count - 1, now, now, pid, epoch, seq, count) + payload
    crc = crc32c(body) if crc is None else crc
    return struct.pack(">qiibI", 0, len(body) + 9 if length is None else length, -1, magic, crc) + body


def values_of(records, crcs=True):
    """[(offset, value)] of uncompressed v2 batches, whole ones only; checks each CRC unless told not to."""
    out, at = [], 0
    while at + 61 <= len(records):
        base, length, _, magic, crc = struct.unpack_from(">qiibI", records, at)
        end = at + 12 + length
        if end > len(records):
            break
        assert magic == 2, f"magic {magic} at {base}"
        assert not crcs or crc32c(records[at + 21:end]) == crc, f"wrong CRC at offset {base}"
        attributes, _, _, _, _, _, _, count = struct.unpack_from(">hiqqqhii", records, at + 21)
        assert attributes & 7 == 0
        p = at + 61
        for _ in range(count if not attributes & 32 else 0):
            _, p = _varint(records, p)
            p += 1
            _, p = _varint(records, p)
            delta, p = _varint(records, p)
            n, p = _varint(records, p)
            p += max(n, 0)
            n, p = _varint(records, p)
            out.append((base + delta, bytes(records[p:p + n])))
            p += n
            headers, p = _varint(records, p)
            assert headers == 0
        at = end
    return out


def producers_of(records):
    """[(first offset, last offset, producer id, producer epoch, first sequence)] of v2 batches, whole ones only."""
    out, at = [], 0
    while at + 61 <= len(records):
        base, length = struct.unpack_from(">qi", records, at)
        if at + 12 + length > len(records):
            break
        last, _, _, pid, epoch, seq = struct.unpack_from(">iqqqhi", records, at + 23)
        out.append((base, base + last, pid, epoch, seq))
        at += 12 + length
    return out


def last_offset(records):
    got = producers_of(records)
    return got[-1][1] if got else None


def _varint(b, p):
    n = shift = 0
    while True:
        c = b[p]
        p += 1
        n |= (c & 127) << shift
        shift += 7
        if c < 128:
            return (n >> 1) ^ -(n & 1), p


class Cursor:
    def __init__(self, data):
        self.data, self.at = data, 0

    def take(self, form):
        got = struct.unpack_from(">" + form, self.data, self.at)
        self.at += struct.calcsize(">" + form)
        return got if len(got) > 1 else got[0]

    def string(self):
        n = self.take("h")
        return None if n < 0 else self.bytes(n).decode()

    def bytes(self, n):
        self.at += n
        return self.data[self.at - n:self.at]


class Closed(Exception):
    """The other side closed the connection (also: reset it)."""


class Conn:
    def __init__(self, port, timeout=20, receive=None, host="127.0.0.1"):
        self.s = socket.socket()
        if receive:
            self.s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive)
        self.s.settimeout(timeout)
        self.s.connect((host, port))
        self.s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.next, self.me = 1, "%s:%d" % self.s.getsockname()

    def raw(self, data):
        try:
            self.s.sendall(data)
        except (ConnectionError, BrokenPipeError) as e:
            raise Closed(str(e))

    def send(self, key, version, body, client="raw"):
        n, self.next = self.next, self.next + 1
        head = struct.pack(">hhi", key, version, n) + string(client)
        self.raw(struct.pack(">i", len(head) + len(body)) + head + body)
        return n

    def bytes(self, n):
        out = bytearray()
        while len(out) < n:
            try:
                got = self.s.recv(n - len(out))
            except ConnectionError as e:
                raise Closed(str(e))
            if not got:
                raise Closed("end of stream")
            out += got
        return bytes(out)

    def answer(self):
        """(correlation id, cursor at the body)"""
        c = Cursor(self.bytes(struct.unpack(">i", self.bytes(4))[0]))
        return c.take("i"), c

    def call(self, key, version, body):
        n = self.send(key, version, body)
        got, c = self.answer()
        assert got == n, f"answer to {got}, asked {n}"
        return c

    def closed(self, timeout=10):
        """True when the peer closes without an answer within the time."""
        self.s.settimeout(timeout)
        try:
            return self.s.recv(1) == b""
        except ConnectionError:
            return True
        except TimeoutError:
            return False

    def close(self):
        self.s.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    # --- the few calls the tests need

    def api_versions(self):
        c = self.call(API_VERSIONS, 0, b"")
        code, n = c.take("hi")
        return code, [c.take("hhh") for _ in range(n)]

    def create(self, topic, partitions=1, configs=(), replicas=1, assigned=()):
        if assigned:
            partitions = replicas = -1
        body = struct.pack(">i", 1) + string(topic) + struct.pack(">ihi", partitions, replicas, len(assigned))
        for i, brokers in enumerate(assigned):
            body += struct.pack(">ii", i, len(brokers)) + b"".join(struct.pack(">i", b) for b in brokers)
        body += struct.pack(">i", len(configs))
        for k, v in configs:
            body += string(k) + string(v)
        c = self.call(CREATE_TOPICS, 4, body + struct.pack(">ib", 30000, 0))
        c.take("ii")
        c.string()
        return c.take("h")

    def metadata(self, *topics):
        """({broker id: (host, port)}, {topic: (error code, [(partition, leader, replicas, isr)])})"""
        c = self.call(METADATA, 8, struct.pack(">i", len(topics)) + b"".join(map(string, topics)) + b"\0\0\0")
        c.take("i")
        brokers, told = {}, {}
        for _ in range(c.take("i")):
            broker, host, port = c.take("i"), c.string(), c.take("i")
            c.string()
            brokers[broker] = (host, port)
        c.string(), c.take("i")
        for _ in range(c.take("i")):
            code, topic, _ = c.take("h"), c.string(), c.take("b")
            partitions = []
            for _ in range(c.take("i")):
                _, index, leader, _ = c.take("hiii")
                replicas, isr, _ = ([c.take("i") for _ in range(c.take("i"))] for _ in range(3))
                partitions.append((index, leader, replicas, isr))
            c.take("i")
            told[topic] = (code, sorted(partitions))
        return brokers, told

    def wait_leader(self, topic, partitions=1, seconds=20, isr=1):
        """All partitions have a leader and that many in-sync replicas."""
        end = time.time() + seconds
        while time.time() < end:
            code, told = self.metadata(topic)[1][topic]
            if code == 0 and len([p for p in told if p[1] >= 0 and len(p[3]) >= isr]) == partitions:
                return True
            time.sleep(0.05)
        return False

    def quorum(self):
        """(error code, leader id, epoch, high watermark, {voter: log end}, {observer: log end}) of the metadata log"""
        body = b"\0\x02" + b"\x13__cluster_metadata" + b"\x02" + struct.pack(">i", 0) + b"\0\0\0"
        c = self.call(DESCRIBE_QUORUM, 0, body)
        assert c.take("b") == 0
        code = c.take("h")
        if code or c.take("b") < 2:
            return code or -1, -1, -1, -1, {}, {}
        c.bytes(c.take("b") - 1), c.take("b")
        _, code, leader, epoch, high = c.take("ihiiq")
        sets = []
        for _ in range(2):
            replicas = {}
            for _ in range(c.take("b") - 1):
                replica, end, _ = c.take("iqb")
                replicas[replica] = end
            sets.append(replicas)
        return code, leader, epoch, high, sets[0], sets[1]

    def send_produce(self, topic, records, partition=0, acks=-1, timeout_ms=30000):
        return self.send(PRODUCE, 8, produce_body(topic, records, partition, acks, timeout_ms))

    def produce_answer(self):
        """(correlation id, error code, base offset, message)"""
        n, c = self.answer()
        return (n,) + produce_result(c)

    def produce(self, topic, records, partition=0, acks=-1, timeout_ms=30000, transaction=None):
        """(error code, base offset, message)"""
        return produce_result(self.call(PRODUCE, 8, produce_body(topic, records, partition, acks, timeout_ms, transaction)))

    def send_fetch(self, topic, offset, partition=0, wait_ms=0, max_bytes=1 << 20, min_bytes=0):
        body = struct.pack(">iiiibii", -1, wait_ms, min_bytes, max_bytes, 0, 0, -1) + struct.pack(">i", 1) + string(topic)
        body += struct.pack(">iiiqqi", 1, partition, -1, offset, -1, max_bytes) + struct.pack(">i", 0) + string("")
        return self.send(FETCH, 11, body)

    def fetch(self, topic, offset, partition=0, wait_ms=0, max_bytes=1 << 20, min_bytes=0):
        """(error code, high watermark, records)"""
        n = self.send_fetch(topic, offset, partition, wait_ms, max_bytes, min_bytes)
        got, c = self.answer()
        assert got == n
        c.take("ihi")
        if c.take("i") == 0:
            return 0, -1, b""
        c.string(), c.take("i")
        _, code, high, _, _, aborted = c.take("ihqqqi")
        c.bytes(16 * max(aborted, 0)), c.take("i")
        return code, high, c.bytes(max(c.take("i"), 0))

    def pieces(self, topic, partition=0, offset=0):
        """(offset asked for, records) up to the high watermark."""
        while True:
            code, high, records = self.fetch(topic, offset, partition)
            assert code == 0, f"fetch of {topic}-{partition} at {offset}: {name(code)}"
            last = last_offset(records)
            if last is None:
                assert offset >= high, f"{topic}-{partition}: nothing at {offset}, high watermark {high}"
                return
            yield offset, records
            offset = last + 1

    def read_all(self, topic, partition=0, offset=0, crcs=True):
        """[(offset, value)] up to the high watermark."""
        return [x for at, records in self.pieces(topic, partition, offset) for x in values_of(records, crcs) if x[0] >= at]

    def producers(self, topic, partition=0):
        """What producers_of says of the whole partition, up to the high watermark."""
        return [x for _, records in self.pieces(topic, partition) for x in producers_of(records)]

    def end(self, topic, partition=0, at=-1):
        c = self.call(LIST_OFFSETS, 5, struct.pack(">ibi", -1, 0, 1) + string(topic) + struct.pack(">iiiq", 1, partition, -1, at))
        c.take("ii"), c.string()
        _, _, code, _, offset, _ = c.take("iihqqi")
        assert code == 0, name(code)
        return offset

    def producer_id(self):
        for _ in range(100):
            c = self.call(INIT_PRODUCER_ID, 1, struct.pack(">hi", -1, 60000))
            _, code, pid, epoch = c.take("ihqh")
            if code != 14:
                break
            time.sleep(0.1)
        assert code == 0, name(code)
        return pid, epoch


def produce_body(topic, records, partition=0, acks=-1, timeout_ms=30000, transaction=None):
    body = b"\xff\xff" if transaction is None else string(transaction)
    body += struct.pack(">hii", acks, timeout_ms, 1) + string(topic)
    return body + struct.pack(">iii", 1, partition, len(records)) + records


def produce_result(c):
    c.take("i"), c.string(), c.take("i")
    _, code, base, _, _, errors = c.take("ihqqqi")
    for _ in range(errors):
        c.take("i"), c.string()
    return code, base, c.string()
