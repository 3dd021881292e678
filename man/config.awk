# config.awk - server.properties(5) from src/config*.tbl: one entry a row, in the table's order.
# usage: awk -f config.awk config.tbl config_topic.tbl config_group.tbl config_metrics.tbl
function text(s) { gsub(/\\/, "\\e", s); gsub(/-/, "\\-", s); sub(/^\./, "\\\&.", s); sub(/^'/, "\\\&'", s); return s }
# The columns of a row: strings may hold commas and parentheses.
function cut(row,   n, c, word, quoted) {
	n = 0; word = ""; quoted = 0
	for (c = 1; c <= length(row); c++) {
		ch = substr(row, c, 1)
		if (ch == "\"") quoted = !quoted
		else if (ch == "," && !quoted) { col[++n] = trim(word); word = ""; continue }
		word = word (ch == "\"" ? "" : ch)
	}
	col[++n] = trim(word)
	return n
}
function trim(s) { gsub(/^[ \t\n]+|[ \t\n]+$/, "", s); return s }
function entry(name, type, def, rule, when, later, doc) {
	printf ".TP\n.B %s\n%s\n.br\n.I %s", text(name), text(doc), tolower(type)
	if (def == "REQUIRED") printf "; required"
	else if (def != "NULL") printf "; default %s", def == "" ? "empty" : text(def)
	if (rule != "") printf "; %s", text(rule)
	if (when != "") printf "; %s", when
	if (later == "LATER") printf "; no effect in this release"
	printf "\n"
}
function section(title, says) { printf ".SH %s\n%s\n", title, says }
BEGIN {
	mode["READ_ONLY"] = "needs a restart"
	mode["PER_BROKER"] = "may change while running, for one broker"
	mode["CLUSTER_WIDE"] = "may change while running"
	print ".\\\" Made from src/config*.tbl by man/config.awk."
	print ".TH SERVER.PROPERTIES 5 \"\" rookery"
	print ".SH NAME\nserver.properties \\- configuration of a rookery node"
	print ".SH DESCRIPTION"
	print "A file in the syntax of Java's .properties: a key, '=' or ':', a value. Lines that begin with"
	print "\\&'#' or '!' are comments; a backslash at the end joins the next line; \\eu0041 is a character."
	print "Names, defaults, units and rules are those of Apache Kafka 4.3. A key that is unknown, was"
	print "removed, or has no effect in this release gets a warning at start that names it."
	print ".PP"
	print "Keys that may change while running are changed with"
	print ".BR rookery\\-configs (1)"
	print "or in the file, which is read again on SIGHUP. A key of one listener is written"
	print ".BR listener.name. NAME . KEY ."
}
FNR == 1 { row = ""; part++
	if (part == 1) section("BROKERS AND CONTROLLERS", "Keys of the file.")
	if (part == 2) section("TOPICS", "Configurations of single topics; where unset, the broker's key gives the value.")
	if (part == 3) section("GROUPS", "Configurations of single groups.")
	if (part == 4) section("CLIENT METRICS", "Configurations of a subscription to clients' metrics.") }
/^(CONF|TOPIC|GROUP|METRICS)\(/ { row = $0; sub(/^[A-Z]+\(/, "", row) }
row != "" && !/^[A-Z]+\(/ { row = row "\n" $0 }
row ~ /"\)$/ {
	sub(/\)$/, "", row); n = cut(row); row = ""
	if (part == 1 && col[8] != "INTERNAL") entry(col[2], col[3], col[4], col[5], mode[col[6]], col[9], col[10])
	if (part == 2 && col[7] != "INTERNAL") entry(col[2], type_of(col[3]), col[4], col[5], broker(col[6]), col[8], col[9])
	if (part == 3) entry(col[2], type_of(col[3]), col[4], col[5], broker(col[6]), col[7], col[8])
	if (part == 4) entry(col[1], col[2], col[3], "", "", "", col[4])
}
function type_of(t) { return t == "WORD" ? "STRING" : t == "WORDS" ? "LIST" : t }
function broker(s) { return s == "NULL" ? "" : "broker's key " text(s) }
END { print ".SH SEE ALSO\n.BR rookery\\-server (8),\n.BR rookery\\-configs (1)" }
