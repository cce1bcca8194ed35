package shop;

import java.io.IOException;
import java.nio.charset.StandardCharsets;

/** Says what is for sale. */
public final class Main {
    private Main() {}

    public static void main(String[] names) throws IOException {
        try (var goods = Main.class.getResourceAsStream("/goods")) {
            var text = new String(goods.readAllBytes(), StandardCharsets.UTF_8).trim();
            System.out.println(words.Words.shout(text) + " for " + String.join(", ", names));
        }
    }
}
