module kubelambda.test/static

go 1.24
