// The ids and the logits of llama2.c, for llama2c.py: compiled with -I CHECKOUT.
//
//   probe ids model.bin tokenizer.bin     stdin: uint32 bytes and text, repeated
//                                         stdout: uint32 number of ids and int32 ids, repeated
//   probe logits model.bin tokenizer.bin  stdin: uint32 number of ids and int32 ids, repeated
//                                         stdout: float32 logits [ids, vocab_size], repeated
#define TESTING
#include "run.c"

int main(int argc, char **argv) {
    Transformer transformer;
    Tokenizer tokenizer;
    if (argc != 4) return 2;
    build_transformer(&transformer, argv[2]);
    int vocab_size = transformer.config.vocab_size;
    build_tokenizer(&tokenizer, argv[3], vocab_size);
    int wants_ids = strcmp(argv[1], "ids") == 0;
    unsigned int length;
    while (fread(&length, sizeof(length), 1, stdin) == 1) {
        if (wants_ids) {
            char *text = calloc(length + 1, 1);
            int *ids = malloc((length + 3) * sizeof(int));
            int count = 0;
            if (fread(text, 1, length, stdin) != length) return 1;
            encode(&tokenizer, text, 0, 0, ids, &count);
            fwrite(&count, sizeof(int), 1, stdout);
            fwrite(ids, sizeof(int), count, stdout);
            free(text);
            free(ids);
            continue;
        }
        for (unsigned int position = 0; position < length; position++) {
            int id;
            if (fread(&id, sizeof(id), 1, stdin) != 1) return 1;
            fwrite(forward(&transformer, id, position), sizeof(float), vocab_size, stdout);
        }
    }
    return 0;
}
