module kubelambda.test/go-extension

go 1.24
