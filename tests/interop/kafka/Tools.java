// Tools.java - plays many of Apache Kafka's command-line tools in one JVM: a start costs seconds, a tool does not.
//
// Standard input: one line a command, words parted by tabs: the prefix of the files to write, a class, its arguments ("\t"
// and "\n" stand for themselves escaped). The command's output goes to PREFIX.out and PREFIX.err, its exit status to
// PREFIX.rc; then a line is printed. As with a process of its own nothing runs on after an exit.
import java.io.BufferedReader;
import java.io.FileOutputStream;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.concurrent.ArrayBlockingQueue;
import org.apache.kafka.common.utils.Exit;

public class Tools {
	static volatile ArrayBlockingQueue<Integer> ended;

	static void leave(int status) {
		ended.offer(status);
		try {
			Thread.sleep(Long.MAX_VALUE);
		} catch (InterruptedException e) {
			throw new Error(e);
		}
	}

	static void play(String name, String[] args) {
		int status = 0;
		try {
			Class.forName(name).getMethod("main", String[].class).invoke(null, (Object) args);
		} catch (java.lang.reflect.InvocationTargetException e) {
			System.err.print("Exception in thread \"main\" ");
			e.getCause().printStackTrace();
			status = 1;
		} catch (ReflectiveOperationException e) {
			System.err.println("no such tool: " + e);
			status = 127;
		}
		leave(status);
	}

	public static void main(String[] unused) throws Exception {
		PrintStream answer = System.out;
		BufferedReader in = new BufferedReader(new InputStreamReader(System.in));
		Exit.setExitProcedure((status, message) -> leave(status));
		Exit.setHaltProcedure((status, message) -> leave(status));
		for (String line; (line = in.readLine()) != null;) {
			String[] word = line.split("\t", -1);
			for (int i = 0; i < word.length; i++)
				word[i] = word[i].replace("\\t", "\t").replace("\\n", "\n");
			ended = new ArrayBlockingQueue<>(10);
			PrintStream out = new PrintStream(new FileOutputStream(word[0] + ".out"), true), err = new PrintStream(new FileOutputStream(word[0] + ".err"), true);
			System.setOut(out);
			System.setErr(err);
			Thread t = new Thread(() -> play(word[1], Arrays.copyOfRange(word, 2, word.length)), "main");
			t.setDaemon(true);
			t.start();
			int status = ended.take();
			out.flush();
			err.flush();
			Files.writeString(Path.of(word[0] + ".rc"), status + "\n");
			answer.println(status);
			answer.flush();
		}
		Runtime.getRuntime().halt(0);
	}
}
