package words;

/** A library beside the program. */
public final class Words {
    private Words() {}

    public static String shout(String text) {
        return text.toUpperCase(java.util.Locale.ROOT);
    }
}
